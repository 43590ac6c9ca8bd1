Feature: A person signs in and lets an application see a record
  SMART App Launch, standalone: the application sends the person's browser to the source EHR, the person signs in, chooses
  a patient and approves, and the browser comes back with a code. The web application has a secret, the phone
  application has none and proves itself by PKCE.

  @SRC-73
  Scenario Outline: The person approves, and <client> gets tokens for the chosen patient
    Given a sign-in request of <client> for "launch/patient patient/*.read offline_access"
    When it is sent
    Then it is granted
    Given a code request of <client>
    When it is sent
    Then it is granted
    And its scope is no wider than "launch/patient patient/*.read offline_access"
    When <client> reads "Patient/{patient}" at the source EHR
    Then the answer is "Patient/{patient}"

    Examples:
      | client                |
      | the web application   |
      | the phone application |

  @SRC-05
  Scenario: A Consent by way of a sign-in must be for the chosen patient
    Given the web application has signed the person in for "launch/patient patient/*.read"
    And a Consent of the other patient for "user/*.read"
    When the web application sends it
    Then it is refused
    Given a Consent of the patient for "user/*.read"
    When the web application sends it
    Then it is granted

  @SRC-70
  Scenario Outline: A sign-in request without <parameter> is refused
    Given a sign-in request of the web application for "patient/*.read"
    But it has no "<parameter>"
    When it is sent
    Then it is refused
    When it is sent without that change
    Then it is granted

    Examples:
      | parameter     |
      | response_type |
      | client_id     |
      | redirect_uri  |
      | scope         |
      | state         |

  @SRC-70
  Scenario Outline: A sign-in request with <parameter> <value> is refused
    Given a sign-in request of the web application for "patient/*.read"
    But its "<parameter>" is "<value>"
    When it is sent
    Then it is refused
    When it is sent without that change
    Then it is granted

    Examples:
      | parameter     | value                        |
      | response_type | token                        |
      | response_type | nothing                      |
      | client_id     | nobody-registered-this       |
      | redirect_uri  | https://evil.example/callback |

  @SRC-71
  Scenario: A long state comes back intact
    Given a sign-in request of the web application for "patient/*.read"
    But its state is 2000 characters long
    When it is sent
    Then it is granted
    And the state comes back intact

  @SRC-71
  Scenario Outline: The state <state> comes back intact
    Given a sign-in request of the web application for "patient/*.read"
    But its "state" is "<state>"
    When it is sent
    Then it is granted
    And the state comes back intact

    Examples:
      | state                       |
      | a b+c%20d                   |
      | x&code=y&error=z#fragment   |
      | b>;,/?:@=$!'()*~           |
      | zażółć                      |

  @SRC-72
  Scenario: The person's denial comes back
    Given a sign-in request of the web application for "patient/*.read"
    When it is sent, and the person denies
    Then the denial comes back
    When it is sent
    Then it is granted

  @SRC-74
  Scenario Outline: A code request without <parameter> is refused
    Given the web application has a code for "patient/*.read"
    And a code request of the web application
    But it has no "<parameter>"
    When it is sent
    Then it is refused
    When it is sent without that change
    Then it is granted

    Examples:
      | parameter     |
      | grant_type    |
      | code          |
      | redirect_uri  |
      | Authorization |

  @SRC-74
  Scenario Outline: A code request with <parameter> <value> is refused
    Given the web application has a code for "patient/*.read"
    And a code request of the web application
    But its "<parameter>" is "<value>"
    When it is sent
    Then it is refused
    When it is sent without that change
    Then it is granted

    Examples:
      | parameter     | value                     |
      | grant_type    | password                  |
      | code          | another                   |
      | redirect_uri  | {redirect_uri}/more       |
      | Authorization | Basic bm9ib2R5Om5vdGhpbmc= |
      | method        | GET                       |

  @SRC-74
  Scenario: A code request of a confidential application by its client_id alone is refused
    Given the web application has a code for "patient/*.read"
    And a code request of the web application
    But it has no "Authorization"
    And its "client_id" is "{client_id}"
    When it is sent
    Then it is refused
    When it is sent without that change
    Then it is granted

  @SRC-74
  Scenario: Another application can't use the code
    Given the web application has a code for "patient/*.read"
    And a code request of the web application
    But it comes from the phone application
    When it is sent
    Then it is refused
    When it is sent without that change
    Then it is granted

  @SRC-74
  Scenario: A code is good once
    Given the web application has a code for "patient/*.read"
    And a code request of the web application
    When it is sent
    Then it is granted
    When it is sent
    Then it is refused
    And what the web application had should have ended

  @SRC-75
  Scenario Outline: <client> refreshes, and gets no more than was granted
    Given <client> has signed the person in for "launch/patient patient/*.read offline_access"
    And a refresh request of <client>
    When it is sent
    Then it is granted
    And its scope is no wider than "launch/patient patient/*.read offline_access"
    And the access token is another than before
    When <client> reads "Patient/{patient}" at the source EHR
    Then the answer is "Patient/{patient}"

    Examples:
      | client                |
      | the web application   |
      | the phone application |

  @SRC-75
  Scenario: A refresh for a wider scope is refused
    Given the web application has signed the person in for "patient/Patient.read offline_access"
    And a refresh request of the web application
    But its "scope" is "patient/*.read"
    When it is sent
    Then it is refused
    When it is sent without that change
    Then it is granted
    And its scope is no wider than "patient/Patient.read offline_access"

  @SRC-76
  Scenario Outline: A refresh without <parameter> is refused
    Given the web application has signed the person in for "patient/*.read offline_access"
    And a refresh request of the web application
    But it has no "<parameter>"
    When it is sent
    Then it is refused
    When it is sent without that change
    Then it is granted

    Examples:
      | parameter     |
      | grant_type    |
      | refresh_token |
      | Authorization |

  @SRC-76
  Scenario Outline: A refresh with <parameter> <value> is refused
    Given the web application has signed the person in for "patient/*.read offline_access"
    And a refresh request of the web application
    But its "<parameter>" is "<value>"
    When it is sent
    Then it is refused
    When it is sent without that change
    Then it is granted

    Examples:
      | parameter     | value                      |
      | grant_type    | nothing                    |
      | refresh_token | another                    |
      | refresh_token | {access token}             |
      | Authorization | Basic bm9ib2R5Om5vdGhpbmc= |

  @SRC-76
  Scenario: A refresh of a confidential application by its client_id alone is refused
    Given the web application has signed the person in for "patient/*.read offline_access"
    And a refresh request of the web application
    But it has no "Authorization"
    And its "client_id" is "{client_id}"
    When it is sent
    Then it is refused
    When it is sent without that change
    Then it is granted

  @SRC-76
  Scenario: Another application can't use the refresh token
    Given the web application has signed the person in for "patient/*.read offline_access"
    And a refresh request of the web application
    But it comes from the phone application
    When it is sent
    Then it is refused
    When it is sent without that change
    Then it is granted

  @SRC-77
  Scenario: What the person revokes on the page has ended
    Given the web application has signed the person in for "patient/*.read offline_access"
    When the web application reads "Patient/{patient}" at the source EHR
    Then it is granted
    When the person revokes what they granted at the source EHR
    And the web application reads "Patient/{patient}" at the source EHR
    Then it is refused with 401
    Given a refresh request of the web application
    When it is sent
    Then it is refused

  @SRC-77
  Scenario Outline: When <client> revokes its <token>, the grant has ended
    Given <client> has signed the person in for "patient/*.read offline_access"
    When <client> reads "Patient/{patient}" at the source EHR
    Then it is granted
    When <client> revokes its <token>
    And <client> reads "Patient/{patient}" at the source EHR
    Then it is refused with 401
    Given a refresh request of <client>
    When it is sent
    Then it is refused

    Examples:
      | client                | token         |
      | the web application   | access token  |
      | the web application   | refresh token |
      | the phone application | access token  |
      | the phone application | refresh token |

  @SRC-78
  Scenario: A public application without PKCE is refused
    Given a sign-in request of the phone application for "patient/*.read"
    But it has no "code_challenge"
    And it has no "code_challenge_method"
    When it is sent
    Then it is refused
    When it is sent without that change
    Then it is granted

  @SRC-78
  Scenario: PKCE by plain is refused
    Given a sign-in request of the phone application for "patient/*.read"
    But its "code_challenge_method" is "plain"
    When it is sent
    Then it is refused
    When it is sent without that change
    Then it is granted

  @SRC-78
  Scenario Outline: <client> without the verifier gets no token
    Given <client> has a code for "patient/*.read"
    And a code request of <client>
    But it has no "code_verifier"
    When it is sent
    Then it is refused
    When it is sent without that change
    Then it is granted

    Examples:
      | client                |
      | the web application   |
      | the phone application |

  @SRC-78
  Scenario: Another verifier gives no token
    Given the phone application has a code for "patient/*.read"
    And a code request of the phone application
    But its "code_verifier" is "0123456789abcdef0123456789abcdef0123456789abcdef"
    When it is sent
    Then it is refused
    When it is sent without that change
    Then it is granted

  @SRC-78
  Scenario: A verifier where the challenge was taken out gives no token
    Given a sign-in request of the web application for "patient/*.read"
    But it has no "code_challenge"
    And it has no "code_challenge_method"
    When it is sent
    Then it is granted
    Given a code request of the web application
    When it is sent
    Then it is refused

  @SRC-79
  Scenario Outline: The redirect_uri <redirect_uri> is not the registered one
    Given a sign-in request of the web application for "patient/*.read"
    But its "redirect_uri" is "<redirect_uri>"
    When it is sent
    Then it is refused
    When it is sent without that change
    Then it is granted

    Examples:
      | redirect_uri            |
      | {redirect_uri}/         |
      | {redirect_uri}/more     |
      | {redirect_uri}?more=1   |
      | {redirect_uri}%20       |
      | {redirect_uri}/../other |

  @SRC-73
  Scenario Outline: A sign-in shows nothing of another patient's by <path>
    Given the web application has signed the person in for "launch/patient patient/*.read"
    When the web application reads "<path>" at the source EHR
    Then nothing of the other patient is shown
    When the web application reads "Patient/{patient}" at the source EHR
    Then it is granted

    Examples:
      | path                              |
      | Patient/{other patient}           |
      | Condition?patient={other patient} |
