Feature: The person authorizes an application at the source EHR
  With $authorize the person binds an application's JWT to a Consent, for some time. The answer is an
  authorization, which the application trades for an access token. Each refusal here stands beside the same
  request without the fault, which must succeed.

  @SRC-10
  Scenario: A JWT and a Consent give an authorization
    Given the person has given the source EHR a Consent for "user/*.read"
    And an $authorize request
    When it is sent
    Then it is granted

  @SRC-10
  Scenario Outline: An authorization lasts <duration>
    Given the person has given the source EHR a Consent for "user/*.read"
    And an $authorize request
    And its "duration" is <duration>
    When it is sent
    Then it is granted

    Examples:
      | duration                                                                   |
      | {"value": 90, "system": "http://unitsofmeasure.org", "code": "s"}          |
      | {"value": 30, "system": "http://unitsofmeasure.org", "code": "min"}        |
      | {"value": 2, "system": "http://unitsofmeasure.org", "code": "d"}           |
      | {"value": 3, "system": "http://unitsofmeasure.org", "code": "wk"}          |
      | {"value": 3, "system": "http://unitsofmeasure.org", "code": "mo"}          |
      | {"value": 1, "system": "http://unitsofmeasure.org", "code": "a"}           |

  @SRC-11
  Scenario: Each authorization is new, and can't be guessed
    Given the person has given the source EHR a Consent for "user/*.read"
    When the person authorizes the application 6 times
    Then no two authorizations are alike, and none can be guessed from another

  @SRC-13
  Scenario: An unknown Consent authorizes nothing
    Given the person has given the source EHR a Consent for "user/*.read"
    And an $authorize request
    But it is for the Consent "ccde-no-such-consent"
    When it is sent
    Then it is refused
    And the status should be 404
    When it is sent without that change
    Then it is granted

  @SRC-14
  Scenario Outline: A Consent that is <status> authorizes nothing
    Given a Consent of the patient for "user/*.read"
    But its "status" is "<status>"
    Then the source EHR refuses the Consent, when it is given or when it is authorized
    But the same Consent without that change is authorized

    Examples:
      | status           |
      | draft            |
      | proposed         |
      | rejected         |
      | inactive         |
      | entered-in-error |

  @SRC-15
  Scenario: A Consent without a patient authorizes nothing
    Given a Consent of the patient for "user/*.read"
    But it has no "patient"
    Then the source EHR refuses the Consent, when it is given or when it is authorized
    But the same Consent without that change is authorized

  @SRC-16
  Scenario Outline: A Consent that ends in <end> authorizes nothing for <length> <unit>
    Given the authorization is to last <length> <unit>
    And a Consent of the patient for "user/*.read"
    But its "period.end" is <end> from now
    Then the source EHR refuses the Consent, when it is given or when it is authorized
    Given a Consent of the patient for "user/*.read"
    And its "period.end" is <good end> from now
    Then the Consent is authorized

    Examples:
      | end        | length | unit   | good end   |
      | 10 minutes | 15     | min    | 20 minutes |
      | 5 hours    | 6      | h      | 7 hours    |
      | 47 hours   | 2      | d      | 49 hours   |
      | 20 days    | 3      | wk     | 22 days    |
      | 27 days    | 1      | mo     | 32 days    |
      | 364 days   | 1      | a      | 367 days   |

  @SRC-16
  Scenario Outline: The end of a Consent is read in its time zone, <zone>
    Given the authorization is to last 6 h
    And a Consent of the patient for "user/*.read"
    But its "period.end" is 5 hours from now in the zone <zone>
    Then the source EHR refuses the Consent, when it is given or when it is authorized
    Given a Consent of the patient for "user/*.read"
    And its "period.end" is 7 hours from now in the zone <zone>
    Then the Consent is authorized

    Examples:
      | zone   |
      | +05:30 |
      | -08:00 |

  @SRC-16 @SRC-10
  Scenario: A Consent that ends on a day ends with it
    Given the authorization is to last 5 s
    And a Consent of the patient for "user/*.read"
    But its "period.end" is the day of 1 day ago
    Then the source EHR refuses the Consent, when it is given or when it is authorized
    Given a Consent of the patient for "user/*.read"
    And its "period.end" is the day of 1 minute from now
    Then the Consent is authorized

  @SRC-16
  Scenario: A Consent whose period is over authorizes nothing
    Given a Consent of the patient for "user/*.read"
    But its "period.end" is 1 hour ago
    Then the source EHR refuses the Consent, when it is given or when it is authorized
    But the same Consent without that change is authorized

  @SRC-17
  Scenario: A Consent without a policyRule authorizes nothing
    Given a Consent of the patient for "user/*.read"
    But it has no "policyRule"
    Then the source EHR refuses the Consent, when it is given or when it is authorized
    But the same Consent without that change is authorized

  @SRC-17
  Scenario Outline: A Consent with the policyRule <policyRule> authorizes nothing
    Given a Consent of the patient for "user/*.read"
    But its "policyRule" is "<policyRule>"
    Then the source EHR refuses the Consent, when it is given or when it is authorized
    But the same Consent without that change is authorized

    Examples:
      | policyRule                                           |
      | http://hl7.org/fhir/ConsentPolicy/opt-in             |
      | http://hl7.org/fhir/ConsentDefinition/simple-oauth-2 |

  @SRC-18
  Scenario: A Consent without an exception authorizes nothing
    Given a Consent of the patient for "user/*.read"
    But it has no "except"
    Then the source EHR refuses the Consent, when it is given or when it is authorized
    But the same Consent without that change is authorized

  @SRC-18
  Scenario: A Consent with two exceptions authorizes nothing
    Given a Consent of the patient for "user/*.read"
    But its "except" stands there twice
    Then the source EHR refuses the Consent, when it is given or when it is authorized
    But the same Consent without that change is authorized

  @SRC-19
  Scenario Outline: A Consent with no SMART scope, <instead>, authorizes nothing
    Given a Consent of the patient for "user/*.read"
    But its "except.class" is <class>
    Then the source EHR refuses the Consent, when it is given or when it is authorized
    But the same Consent without that change is authorized

    Examples:
      | instead                      | class                                                                      |
      | but a code of another system | [{"system": "http://hl7.org/fhir/resource-types", "code": "Observation"}]  |
      | but no scope in its code     | [{"system": "http://smarthealthit.org/fhir/scopes", "code": "everything"}] |

  @SRC-20
  Scenario: Without a duration nothing is authorized
    Given the person has given the source EHR a Consent for "user/*.read"
    And an $authorize request
    But it has no "duration"
    When it is sent
    Then it is refused, naming "duration"
    When it is sent without that change
    Then it is granted

  @SRC-20
  Scenario: With a text for a duration nothing is authorized
    Given the person has given the source EHR a Consent for "user/*.read"
    And an $authorize request
    But its "duration" is "three months"
    When it is sent
    Then it is refused, naming "duration"
    When it is sent without that change
    Then it is granted

  @SRC-20
  Scenario Outline: With a duration of <value> <code> nothing should be authorized
    Given the person has given the source EHR a Consent for "user/*.read"
    And an $authorize request
    But its "duration" is {"value": <value>, "system": "http://unitsofmeasure.org", "code": "<code>"}
    When it is sent
    Then it should be refused
    When it is sent without that change
    Then it is granted

    Examples:
      | value | code |
      | 0     | h    |
      | -1    | h    |
      | 3     | kg   |

  @SRC-21
  Scenario: Without a JWT nothing is authorized
    Given the person has given the source EHR a Consent for "user/*.read"
    And an $authorize request
    But it has no "jwt"
    When it is sent
    Then it is refused, naming "jwt"
    When it is sent without that change
    Then it is granted

  @SRC-21
  Scenario Outline: With <jwt> for a JWT nothing is authorized
    Given the person has given the source EHR a Consent for "user/*.read"
    And an $authorize request
    But its "jwt" is <jwt>
    When it is sent
    Then it is refused, naming "jwt"
    When it is sent without that change
    Then it is granted

    Examples:
      | jwt            |
      | 42             |
      | ""             |
      | "no JWT"       |
      | "a.b.c"        |

  @SRC-22
  Scenario Outline: A JWT that <fault> is not authorized
    Given the person has given the source EHR a Consent for "user/*.read"
    And an $authorize request
    But the JWT <fault>
    When it is sent
    Then it is refused, unless JWTs are only read there
    When it is sent without that change
    Then it is granted

    Examples:
      | fault                         |
      | has expired                   |
      | has a bad signature           |
      | is signed with an unknown key |
      | has other claims than signed  |

  @SRC-22
  Scenario Outline: A JWT that <fault> is authorized nowhere
    Given the person has given the source EHR a Consent for "user/*.read"
    And an $authorize request
    But the JWT <fault>
    When it is sent
    Then it is refused
    When it is sent without that change
    Then it is granted

    Examples:
      | fault                                  |
      | has the algorithm none                 |
      | is an HMAC made with the public key    |

  @SRC-22
  Scenario Outline: A JWT that <fault> is not authorized, and nothing is fetched for it
    Given the person has given the source EHR a Consent for "user/*.read"
    And an $authorize request
    But the JWT <fault>
    When it is sent
    Then it is refused, unless JWTs are only read there
    When it is sent without that change
    Then it is granted

    Examples:
      | fault                                  |
      | brings a key of its own in its header  |

  @SRC-22
  Scenario: A JWT that names a key set is not authorized, and its key set not fetched
    Given the person has given the source EHR a Consent for "user/*.read"
    And an $authorize request
    But the JWT names a key set at the target EHR
    When it is sent
    Then it is refused, unless JWTs are only read there
    And the source EHR did not ask for the key set that the JWT names
    When it is sent without that change
    Then it is granted

  @SRC-22
  Scenario Outline: A JWT that <fault> is not authorized, also where the CAVS approves
    Given the source EHR asks the CAVS
    And the CAVS answers every request for "/auth/cavs" with status 200 and the body:
      """
      {"status": "approved", "message": "Approved: so the scenario wants it", "endorsements": []}
      """
    And the person has given the source EHR a Consent for "user/*.read"
    And an $authorize request
    But the JWT <fault>
    When it is sent
    Then it is refused<unless>
    When it is sent without that change
    Then it is granted

    Examples:
      | fault                                 | unless                              |
      | has expired                           | , unless JWTs are only read there   |
      | has a bad signature                   | , unless JWTs are only read there   |
      | is signed with an unknown key         | , unless JWTs are only read there   |
      | brings a key of its own in its header | , unless JWTs are only read there   |
      | has the algorithm none                |                                     |
      | is an HMAC made with the public key   |                                     |

  @SRC-48
  Scenario Outline: $authorize is refused to <caller>
    Given the person has given the source EHR a Consent for "user/*.read"
    And an $authorize request
    When <caller> sends it
    Then it is refused with 401
    When it is sent
    Then it is granted

    Examples:
      | caller     |
      | nobody     |
      | a stranger |

  @SRC-12
  Scenario: The authorization carries the CAVS's message and endorsements
    Given the source EHR asks the CAVS
    And the application is registered at the CAVS, with the endorsements:
      | endorser           | url                    | type       | comment                            |
      | Patients United    | http://united.example/ | approval   | We use it ourselves                |
      | Watchful Data Fund | http://watch.example/  | warning    | Keeps data for a year              |
      | Patients United    | http://united.example/ | usage-note | Best on a large screen: "read" it. |
    And the person has given the source EHR a Consent for "user/*.read"
    And an $authorize request
    When it is sent
    Then it is granted
    And the answer carries what the CAVS says

  @SRC-12
  Scenario: The authorization carries the CAVS's message where nobody endorses
    Given the source EHR asks the CAVS
    And the application is registered at the CAVS, with no endorsement
    And the person has given the source EHR a Consent for "user/*.read"
    And an $authorize request
    When it is sent
    Then it is granted
    And the answer carries what the CAVS says

  @SRC-23
  Scenario: An application that the CAVS calls unsuitable is not authorized
    Given the source EHR asks the CAVS
    And the application is registered at the CAVS, with no endorsement
    And its registration has the status "inactive"
    And the person has given the source EHR a Consent for "user/*.read"
    And an $authorize request
    When it is sent
    Then it is refused, as the CAVS's verdict is "unsuitable"
    When its registration has the status "active"
    And it is sent
    Then it is granted

  @SRC-23
  Scenario: A JWT that the CAVS calls invalid is not authorized
    Given the source EHR asks the CAVS
    And the CAVS answers the next 1 request for "/auth/cavs" with status 200 and the body:
      """
      {"status": "invalid", "message": "The JWT is invalid: so the scenario wants it", "endorsements": []}
      """
    And the person has given the source EHR a Consent for "user/*.read"
    And an $authorize request
    When it is sent
    Then it is refused, as the CAVS's verdict is "invalid"
    When it is sent
    Then it is granted

  @SRC-24
  Scenario: A CAVS out of reach is said so, soon
    Given the source EHR asks the CAVS
    And the person has given the source EHR a Consent for "user/*.read"
    And an $authorize request
    When the link between the source EHR and the CAVS is cut
    And it is sent
    Then it is refused or carries a message, within 10 seconds
    When the link between the source EHR and the CAVS is mended
    And it is sent
    Then it is granted

  @SRC-24
  Scenario: A CAVS that answers with an error is said so, soon
    Given the source EHR asks the CAVS
    And the person has given the source EHR a Consent for "user/*.read"
    And an $authorize request
    When the CAVS answers the next 1 request for "/auth/cavs" with status 500
    And it is sent
    Then it is refused or carries a message, within 10 seconds
    When it is sent
    Then it is granted

  @SRC-24
  Scenario: A CAVS that does not answer is said so, soon
    Given the source EHR asks the CAVS
    And the CAVS holds back its answer to the next request for "/auth/cavs"
    And the person has given the source EHR a Consent for "user/*.read"
    And an $authorize request
    When it is sent
    Then it is refused or carries a message, within 10 seconds
    When the CAVS lets go of what it held back
    And it is sent
    Then it is granted
