Feature: The source EHR refuses malformed input, and takes no harm
  What can't be read is refused in the endpoint's own words. Nothing of it is kept, and the source EHR goes on.

  @SEC-01
  Scenario Outline: A Consent is refused by the source EHR where the body is <body>
    Given a Consent of the patient for "user/*.read"
    But its body is <body>
    When it is sent to the source EHR
    Then it is refused as malformed
    When it is sent without that change
    Then it is granted

    Examples:
      | body                          |
      | broken JSON                   |
      | broken XML                    |
      | JSON that is no resource      |
      | JSON of another resource type |
      | XML of another resource type  |
      | JSON that is no UTF-8         |
      | of an unknown Content-Type    |
      | a form where none is taken    |

  @SEC-01
  Scenario Outline: An $authorize request is refused where the body is <body>
    Given the person has given the source EHR a Consent for "user/*.read"
    And an $authorize request
    But its body is <body>
    When it is sent
    Then it is refused as malformed
    When it is sent without that change
    Then it is granted

    Examples:
      | body                          |
      | broken JSON                   |
      | broken XML                    |
      | JSON of another resource type |
      | of an unknown Content-Type    |

  @SEC-01
  Scenario Outline: A token request is refused where the body is <body>
    Given the person has authorized the application at the source EHR for "user/*.read"
    And a token request
    But its body is <body>
    When it is sent
    Then it is refused as malformed
    When it is sent without that change
    Then it is granted

    Examples:
      | body                       |
      | JSON where a form is taken |
      | a broken form              |
      | of an unknown Content-Type |

  @SEC-02
  Scenario Outline: The source EHR takes no harm from a Consent in <body>
    Given a Consent of the patient for "user/*.read"
    But its body is <body>
    When it is sent to the source EHR
    Then it is refused as malformed
    When it is sent without that change
    Then it is granted

    Examples:
      | body                            |
      | XML with a bomb of entities     |
      | XML with an entity from outside |
      | XML nested 10,000 levels deep   |
      | JSON nested 10,000 levels deep  |

  @SEC-03
  Scenario: The source EHR does not take a Consent of 64 MiB
    Given a Consent of the patient for "user/*.read"
    But its body is JSON of 64 MiB
    When it is sent to the source EHR
    Then it should be too large
    When it is sent without that change
    Then it is granted

  @SEC-03
  Scenario: The source EHR does not take a token request of 64 MiB
    Given the person has authorized the application at the source EHR for "user/*.read"
    And a token request
    But its body is a form of 64 MiB
    When it is sent
    Then it should be too large
    When it is sent without that change
    Then it is granted

  @SEC-05
  Scenario: An error of the token endpoint holds no secret
    Given the person has authorized the application at the source EHR for "user/*.read"
    And a token request
    But its "grant_type" is "password"
    When it is sent
    Then the error shows no secret

  @SEC-05
  Scenario: An error of $authorize holds no secret where the duration is none
    Given the person has given the source EHR a Consent for "user/*.read"
    And an $authorize request
    But its "duration" is "soon"
    When it is sent
    Then the error shows no secret

  @SEC-05
  Scenario Outline: An error of $authorize about a JWT that <fault> holds no JWT
    Given the person has given the source EHR a Consent for "user/*.read"
    And an $authorize request
    But the JWT <fault>
    When it is sent
    Then the error shows no secret

    Examples:
      | fault                         |
      | has expired                   |
      | has a bad signature           |
      | is signed with an unknown key |
      | has the algorithm none        |

  @SEC-05
  Scenario: An error of a read holds no secret
    Given the application has an access token of the source EHR for "user/Observation.read"
    When the application reads "Condition?patient={patient}" at the source EHR
    Then the error shows no secret
