Feature: What an access token opens, and what it doesn't
  The token of an application reads one patient's record, as far as the Consent's scopes name it, as long as
  the authorization and the Consent hold. It opens nothing else, and nothing else opens what it does.

  @SRC-40
  Scenario: The access token reads the patient
    Given the application has an access token of the source EHR for "user/*.read"
    When the application reads "Patient/{patient}" at the source EHR
    Then it is granted
    And the answer is "Patient/{patient}"

  @SRC-41
  Scenario Outline: The patient is not shown to <caller>
    Given the application has an access token of the source EHR for "user/*.read"
    When <caller> reads "Patient/{patient}" at the source EHR
    Then it is refused with 401
    And it says how to authenticate
    When the application reads "Patient/{patient}" at the source EHR
    Then it is granted

    Examples:
      | caller     |
      | nobody     |
      | a stranger |

  @SRC-48
  Scenario Outline: <path> is not shown to <caller>
    Given the application has an access token of the source EHR for "user/*.read"
    When <caller> reads "<path>" at the source EHR
    Then it is refused with 401
    When the application reads "<path>" at the source EHR
    Then it is granted

    Examples:
      | caller     | path                                        |
      | nobody     | Patient/{patient}                           |
      | a stranger | Patient/{patient}                           |
      | nobody     | Condition?patient={patient}                 |
      | a stranger | Condition?patient={patient}                 |
      | nobody     | Observation?patient={patient}&_count=1      |
      | a stranger | Observation?patient={patient}&_count=1      |

  @SRC-48
  Scenario Outline: The next page of the record is not shown to <caller>
    Given the application has an access token of the source EHR for "user/*.read"
    When the application reads "Observation?patient={patient}&_count=1" at the source EHR
    And <caller> turns its page
    Then it is refused with 401
    When the application turns its page
    Then it is granted

    Examples:
      | caller     |
      | nobody     |
      | a stranger |

  @SRC-42
  Scenario: Another patient's record is not read
    Given the application has an access token of the source EHR for "user/*.*"
    When the application reads "Patient/{other patient}" at the source EHR
    Then nothing of the other patient is shown
    When the application reads "Patient/{patient}" at the source EHR
    Then it is granted

  @SRC-42
  Scenario: Another patient's resources are not read by their ids
    Given the application has an access token of the source EHR for "user/*.*"
    When the application reads each resource of the other patient at the source EHR
    Then nothing of the other patient is shown
    When the application reads "Patient/{patient}" at the source EHR
    Then it is granted

  @SRC-42
  Scenario: A version of another patient is not read
    Given the application has an access token of the source EHR for "user/*.*"
    When the application reads the version of the other patient at the source EHR
    Then nothing of the other patient is shown
    When the application reads "Patient/{patient}" at the source EHR
    Then it is granted

  @SRC-42
  Scenario Outline: Another patient's record is not found by <search>
    Given the application has an access token of the source EHR for "user/*.*"
    When the application reads "<search>" at the source EHR
    Then nothing of the other patient is shown
    When the application reads "Observation?patient={patient}&_count=1" at the source EHR
    Then it is granted

    Examples:
      | search                                                                    |
      | Patient/{other patient}/_history                                          |
      | Patient?_id={other patient}                                               |
      | Patient?_count=100                                                        |
      | Observation?patient={other patient}                                       |
      | Observation?patient=Patient/{other patient}                               |
      | Observation?subject=Patient/{other patient}                               |
      | Observation?_count=100                                                    |
      | Observation?patient={patient},{other patient}&_count=100                  |
      | Condition?patient={other patient}                                         |
      | Condition?_count=100                                                      |
      | Patient?_id={patient},{other patient}&_revinclude=Observation:subject     |
      | Observation?patient={patient}&_include=*&_count=100                       |

  @SRC-42
  Scenario Outline: Another patient's record is not found by a form, <form>
    Given the application has an access token of the source EHR for "user/*.*"
    When the application posts the search "<form>" to "Observation/_search" at the source EHR
    Then nothing of the other patient is shown
    When the application reads "Observation?patient={patient}&_count=1" at the source EHR
    Then it is granted

    Examples:
      | form                                          |
      | patient={other patient}                       |
      | patient={patient},{other patient}&_count=100  |

  @SRC-42
  Scenario: A page of another patient's record is not turned
    Given the application has an access token of the source EHR for "user/*.*"
    And another application has an access token of the source EHR for "user/*.*" and the other patient
    When another application reads "Observation?patient={other patient}&_count=1" at the source EHR
    And the application turns its page
    Then nothing of the other patient is shown
    When another application turns its page
    Then it is granted

  @SRC-42
  Scenario: The next page of the patient's record shows nothing of another patient's
    Given the application has an access token of the source EHR for "user/*.*"
    When the application reads "Observation?patient={patient}&_count=3" at the source EHR
    Then it is granted
    When the application turns its page
    Then nothing of the other patient is shown
    And it is granted

  @SRC-43
  Scenario Outline: With <scopes>, <unnamed> is not shown
    Given the application has an access token of the source EHR for "<scopes>"
    When the application reads "<unnamed>" at the source EHR
    Then it is refused with 403 or 401
    When the application reads "<named>" at the source EHR
    Then it is granted

    Examples:
      | scopes                                       | unnamed                        | named                                        |
      | user/Observation.read                        | Condition?patient={patient}    | Observation?patient={patient}&_count=1       |
      | patient/Condition.read patient/Patient.read  | Procedure?patient={patient}    | Condition?patient={patient}                  |
      | user/Condition.read                          | Patient/{patient}              | Condition?patient={patient}                  |

  @SRC-44
  Scenario Outline: A token to read does not <write>
    Given the application has an access token of the source EHR for "user/*.read"
    When the application tries to <write> at the source EHR
    Then it is refused, and nothing has changed
    When the application reads "Patient/{patient}" at the source EHR
    Then it is granted

    Examples:
      | write                     |
      | create an Observation     |
      | update the patient        |
      | update a Condition        |
      | delete a Condition        |

  @SRC-44
  Scenario: A token to read gives no Consent
    Given the application has an access token of the source EHR for "user/*.read"
    And a Consent of the patient for "user/*.read"
    When the application sends it to the source EHR
    Then it is refused with 403 or 401
    When it is sent
    Then it is granted

  @SRC-44
  Scenario: A token to read authorizes nothing
    Given the application has an access token of the source EHR for "user/*.read"
    And an $authorize request
    When the application sends it
    Then it is refused with 403 or 401
    When it is sent
    Then it is granted

  @SRC-45
  Scenario: The access token ends when it says
    Given the authorization is to last 2 h
    And the application has an access token of the source EHR for "user/*.read"
    When the application reads "Patient/{patient}" at the source EHR
    Then it is granted
    When the access token's time is over
    And the application reads "Patient/{patient}" at the source EHR
    Then it is refused with 401

  @SRC-45
  Scenario: The access token ends no later than the authorization
    Given the authorization is to last 4 s
    And the application has an access token of the source EHR for "user/*.read"
    When the application reads "Patient/{patient}" at the source EHR
    Then it is granted
    When 5 seconds pass
    And the application reads "Patient/{patient}" at the source EHR
    Then it is refused with 401

  @SRC-45
  Scenario Outline: The access token ends when the Consent becomes <status>
    Given the application has an access token of the source EHR for "user/*.read"
    When the application reads "Patient/{patient}" at the source EHR
    Then it is granted
    When the person sets "status" of the Consent to "<status>"
    And the application reads "Patient/{patient}" at the source EHR
    Then it is refused with 403 or 401, unless a withdrawn Consent runs on there

    Examples:
      | status           |
      | inactive         |
      | rejected         |
      | entered-in-error |

  @SRC-45
  Scenario: The access token ends when the Consent is deleted
    Given the application has an access token of the source EHR for "user/*.read"
    When the application reads "Patient/{patient}" at the source EHR
    Then it is granted
    When the person deletes the Consent
    And the application reads "Patient/{patient}" at the source EHR
    Then it is refused with 403 or 401, unless a withdrawn Consent runs on there

  @SRC-45
  Scenario Outline: The access token ends when the Consent has <change>
    Given the application has an access token of the source EHR for "user/*.read"
    When the application reads "Patient/{patient}" at the source EHR
    Then it is granted
    When the administrator sets "<path>" of the Consent to <value>, where that is taken
    And the application reads "Patient/{patient}" at the source EHR
    Then it is refused with 403 or 401, unless a withdrawn Consent runs on there

    Examples:
      | change          | path              | value                                    |
      | another policy  | policyRule        | "http://hl7.org/fhir/ConsentPolicy/opt-in" |
      | come to its end | period.end        | 1 hour ago                               |
      | another patient | patient.reference | "Patient/{other patient}"                |

  @SRC-45
  Scenario: The access token loses what the Consent loses, and gains nothing
    Given the application has an access token of the source EHR for "user/Patient.read user/Condition.read"
    When the application reads "Condition?patient={patient}" at the source EHR
    Then it is granted
    When the person sets "except.class" of the Consent to [{"system": "http://smarthealthit.org/fhir/scopes", "code": "user/Patient.read"}, {"system": "http://smarthealthit.org/fhir/scopes", "code": "user/Procedure.read"}]
    And the application reads "Condition?patient={patient}" at the source EHR
    Then it is refused with 403 or 401, unless a withdrawn Consent runs on there
    When the application reads "Procedure?patient={patient}" at the source EHR
    Then it is refused with 403 or 401
    When the application reads "Patient/{patient}" at the source EHR
    Then it is granted

  @SRC-46
  Scenario Outline: <key> is no access token
    Given the application has an access token of the source EHR for "user/*.read"
    When someone with <key> reads "Patient/{patient}" at the source EHR
    Then it is refused with 401
    When the application reads "Patient/{patient}" at the source EHR
    Then it is granted

    Examples:
      | key               |
      | the JWT           |
      | the authorization |

  @SRC-47
  Scenario: An access token in the query string is not taken
    Given the application has an access token of the source EHR for "user/*.read"
    When nobody reads "Patient/{patient}?access_token={access token}" at the source EHR
    Then it should be refused
    When the application reads "Patient/{patient}" at the source EHR
    Then it is granted

  @SRC-49
  Scenario Outline: Nothing outside the record is searched: <search>
    Given the application has an access token of the source EHR for "user/*.read"
    When the application reads "<search>" at the source EHR
    Then it is refused with 403, 401 or 404
    When the application reads "Condition?patient={patient}" at the source EHR
    Then it is granted

    Examples:
      | search               |
      | Practitioner         |
      | Organization?_count=5 |
      | Medication           |
      | Location             |

  @SRC-49
  Scenario: What the record refers to is read, what it does not refer to is not
    Given the application has an access token of the source EHR for "user/*.read"
    And the source EHR has an Organization to which no record refers
    When the application reads what was made at the source EHR
    Then it is refused with 403, 401 or 404
    When the application reads each resource that the patient's record refers to at the source EHR
    Then each of them is granted

  @SRC-49
  Scenario Outline: With <scopes>, <outsider> to which only <referrer> refers is not read
    Given the application has an access token of the source EHR for "<scopes>"
    And another application has an access token of the source EHR for "user/*.read" and <owner>
    And the source EHR has <outsider> to which only <referrer> refers
    When the application reads what was made at the source EHR
    Then it is refused with 403, 401 or 404
    When another application reads what was made at the source EHR
    Then it is granted

    Examples:
      | scopes              | outsider       | referrer                                 | owner             |
      | user/*.read         | a Practitioner | a Condition of the other patient         | the other patient |
      | user/*.read         | a Binary       | a DocumentReference of the other patient | the other patient |
      | user/Condition.read | a Practitioner | an Observation of the patient            | the patient       |

  @SRC-49
  Scenario: With a scope of Conditions, a Practitioner to which a Condition refers is read
    Given the application has an access token of the source EHR for "user/Condition.read"
    And the source EHR has a Practitioner to which only a Condition of the patient refers
    When the application reads what was made at the source EHR
    Then it is granted
