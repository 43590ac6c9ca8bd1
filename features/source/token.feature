Feature: An application trades JWT and authorization for an access token
  The token endpoint takes the very JWT that the person authorized, as a Bearer, and the authorization as
  scope. It refuses everything else in the words of OAuth.

  @SRC-30 @SRC-31 @SRC-32
  Scenario: JWT and authorization give an access token
    Given the person has authorized the application at the source EHR for "user/*.read"
    When the application asks for an access token
    Then it is granted
    And scope and patient are the Consent's
    And the access token ends no later than the authorization
    And no cache may keep the answer

  @SRC-31
  Scenario Outline: The access token has the scopes of the Consent, <scopes>
    Given the person has authorized the application at the source EHR for "<scopes>"
    When the application asks for an access token
    Then it is granted
    And scope and patient are the Consent's

    Examples:
      | scopes                                   |
      | patient/*.read                           |
      | user/Patient.read user/Observation.read  |
      | patient/Condition.read user/Patient.read |

  @SRC-31
  Scenario Outline: The access token of an authorization for <n> <unit> lives no longer
    Given the authorization is to last <n> <unit>
    And the person has authorized the application at the source EHR for "user/*.read"
    When the application asks for an access token
    Then it is granted
    And the access token ends no later than the authorization

    Examples:
      | n  | unit |
      | 40 | s    |
      | 5  | min  |

  @SRC-31
  Scenario: A later access token ends with the authorization too
    Given the authorization is to last 2 h
    And the person has authorized the application at the source EHR for "user/*.read"
    When 90 minutes pass
    And the application asks for an access token
    Then it is granted
    And the access token ends no later than the authorization

  @SRC-30
  Scenario: An authorization can be exchanged again as long as it lives
    Given the person has authorized the application at the source EHR for "user/*.read"
    When the application asks for an access token
    Then it is granted
    When the application asks for an access token
    Then it is granted
    And the access token is another than before

  @SRC-30
  Scenario: An authorization lives on beside a later one of the same Consent
    Given the person has authorized the application at the source EHR for "user/*.read"
    And a token request
    When the person authorizes the application 2 times
    And it is sent
    Then it is granted

  @SRC-30
  Scenario: An authorization outlives its JWT
    Given the application's JWTs are good for 4 seconds
    And the authorization is to last 1 h
    And the person has authorized the application at the source EHR for "user/*.read"
    And a token request
    When 6 seconds pass
    And it is sent
    Then it is granted

  @SRC-31
  Scenario: The access token has no scope that the Consent has lost
    Given the person has authorized the application at the source EHR for "user/Patient.read user/Condition.read"
    When the person sets "except.class" of the Consent to [{"system": "http://smarthealthit.org/fhir/scopes", "code": "user/Patient.read"}]
    And the application asks for an access token
    Then it is granted
    And its scope is no wider than "user/Patient.read", unless a withdrawn Consent runs on there

  @SRC-33
  Scenario: Without a JWT there is no access token
    Given the person has authorized the application at the source EHR for "user/*.read"
    And a token request
    But it has no "Authorization"
    When it is sent
    Then it is refused
    When it is sent without that change
    Then it is granted

  @SRC-33
  Scenario Outline: With <header> in place of the JWT as a Bearer there is no access token
    Given the person has authorized the application at the source EHR for "user/*.read"
    And a token request
    But its "Authorization" is "<header>"
    When it is sent
    Then it is refused
    When it is sent without that change
    Then it is granted

    Examples:
      | header                     |
      | Basic Y2NkZTpzZWNyZXQ=     |
      | Basic {jwt}                |
      | Bearer                     |
      | Bearer no-jwt-but-a-word   |

  @SRC-34
  Scenario Outline: A JWT that <fault> gives no access token
    Given the person has authorized the application at the source EHR for "user/*.read"
    And a token request
    But the JWT <fault>
    When it is sent
    Then it is refused
    When it is sent without that change
    Then it is granted

    Examples:
      | fault                                     |
      | is another good one of the application    |
      | is a good one of another application      |
      | has a bad signature                       |
      | has lost its last character               |
      | has other claims than signed              |
      | has the algorithm none                    |
      | is signed with an unknown key             |

  @SRC-35
  Scenario Outline: <authorization> is no authorization
    Given the person has authorized the application at the source EHR for "user/*.read"
    And a token request
    But its "scope" is "<authorization>"
    When it is sent
    Then it is refused
    When it is sent without that change
    Then it is granted

    Examples:
      | authorization                        |
      | 2b0d7b3d-4a52-4f6c-9c59-ccde00000000 |
      | user/*.read                          |
      | {consent}                            |

  @SRC-35
  Scenario: Without a scope there is no access token
    Given the person has authorized the application at the source EHR for "user/*.read"
    And a token request
    But it has no "scope"
    When it is sent
    Then it is refused
    When it is sent without that change
    Then it is granted

  @SRC-35
  Scenario: The authorization of another application gives no access token
    Given the person has authorized the application at the source EHR for "user/*.read"
    And the person has authorized another application at the source EHR for "user/*.read"
    And a token request
    But its "scope" is "{authorization of another application}"
    When it is sent
    Then it is refused
    When it is sent without that change
    Then it is granted

  @SRC-36
  Scenario Outline: With the grant type <grant> there is no access token
    Given the person has authorized the application at the source EHR for "user/*.read"
    And a token request
    But its "grant_type" is "<grant>"
    When it is sent
    Then it is refused
    When it is sent without that change
    Then it is granted

    Examples:
      | grant              |
      | password           |
      | authorization_code |
      | CLIENT_CREDENTIALS |

  @SRC-36
  Scenario: Without a grant type there is no access token
    Given the person has authorized the application at the source EHR for "user/*.read"
    And a token request
    But it has no "grant_type"
    When it is sent
    Then it is refused
    When it is sent without that change
    Then it is granted

  @SRC-36
  Scenario: A GET gives no access token
    Given the person has authorized the application at the source EHR for "user/*.read"
    And a token request
    But its "method" is "GET"
    When it is sent
    Then it is refused
    When it is sent without that change
    Then it is granted

  @SRC-37
  Scenario: An authorization that is over gives no access token
    Given the authorization is to last 4 s
    And the person has authorized the application at the source EHR for "user/*.read"
    And a token request
    When it is sent
    Then it is granted
    When 5 seconds pass
    And it is sent
    Then it is refused

  @SRC-37
  Scenario: An authorization outlives the day of its JWT
    Given the authorization is to last 3 d
    And the person has authorized the application at the source EHR for "user/*.read"
    And a token request
    When 49 hours pass
    And it is sent
    Then it is granted
    When 24 hours pass
    And it is sent
    Then it is refused

  @SRC-38
  Scenario Outline: A Consent that became <status> gives no access token
    Given the person has authorized the application at the source EHR for "user/*.read"
    And a token request
    When it is sent
    Then it is granted
    When the person sets "status" of the Consent to "<status>"
    And it is sent
    Then it is refused, unless a withdrawn Consent runs on there

    Examples:
      | status           |
      | inactive         |
      | rejected         |
      | entered-in-error |

  @SRC-38
  Scenario: A Consent that was deleted gives no access token
    Given the person has authorized the application at the source EHR for "user/*.read"
    And a token request
    When it is sent
    Then it is granted
    When the person deletes the Consent
    And it is sent
    Then it is refused, unless a withdrawn Consent runs on there

  @SRC-38
  Scenario Outline: A Consent that has <change> gives no access token
    Given the person has authorized the application at the source EHR for "user/*.read"
    And a token request
    When it is sent
    Then it is granted
    When the administrator sets "<path>" of the Consent to <value>, where that is taken
    And it is sent
    Then it is refused, unless a withdrawn Consent runs on there

    Examples:
      | change          | path              | value                                    |
      | another policy  | policyRule        | "http://hl7.org/fhir/ConsentPolicy/opt-in" |
      | come to its end | period.end        | 1 hour ago                               |
      | another patient | patient.reference | "Patient/{other patient}"                |

  @SRC-39
  Scenario: The token endpoint's errors are those of OAuth
    Given the person has authorized the application at the source EHR for "user/*.read"
    And a token request
    But its "scope" is "2b0d7b3d-4a52-4f6c-9c59-ccde00000001"
    When it is sent
    Then the answer is an OAuth error
    Given a token request
    But its "grant_type" is "password"
    When it is sent
    Then the answer is an OAuth error
    Given a token request
    But it has no "Authorization"
    When it is sent
    Then the answer is an OAuth error
