Feature: The source EHR speaks JSON and XML, and tells errors as FHIR does
  Who asks says in Accept or in _format which of the two forms of FHIR they want. What goes wrong is told in an
  OperationOutcome.

  @SRC-66
  Scenario Outline: The patient is read as <format> by Accept <media type>
    Given the application has an access token of the source EHR for "user/*.read"
    When the application reads "Patient/{patient}" at the source EHR, accepting "<media type>"
    Then the answer is in <format>
    And the answer is "Patient/{patient}"

    Examples:
      | format | media type                                                 |
      | JSON   | application/fhir+json                                      |
      | XML    | application/fhir+xml                                       |
      | XML    | application/fhir+json;q=0.5, application/fhir+xml          |
      | JSON   | application/fhir+xml;q=0.5, application/fhir+json, */*;q=0.1 |

  @SRC-66
  Scenario Outline: A search is answered as <format> by Accept <media type>
    Given the application has an access token of the source EHR for "user/*.read"
    When the application reads "Condition?patient={patient}" at the source EHR, accepting "<media type>"
    Then the answer is in <format>

    Examples:
      | format | media type            |
      | JSON   | application/fhir+json |
      | XML    | application/fhir+xml  |

  @SRC-66
  Scenario Outline: The patient is read as <format> by _format=<value>
    Given the application has an access token of the source EHR for "user/*.read"
    When the application reads "Patient/{patient}?_format=<value>" at the source EHR, accepting "<accept>"
    Then the answer is in <format>
    And the answer is "Patient/{patient}"

    Examples:
      | format | value                   | accept                |
      | JSON   | json                    | */*                   |
      | XML    | xml                     | */*                   |
      | JSON   | application/fhir%2Bjson | application/fhir+xml  |
      | XML    | application/fhir%2Bxml  | application/fhir+json |

  @SRC-66
  Scenario Outline: The patient is read as <format> by the older name <media type>
    Given the application has an access token of the source EHR for "user/*.read"
    When the application reads "Patient/{patient}" at the source EHR, accepting "<media type>"
    Then the answer should be in <format>

    Examples:
      | format | media type            |
      | JSON   | application/json+fhir |
      | XML    | application/xml+fhir  |

  @SRC-66
  Scenario: What the source EHR does not speak should be refused with 406
    Given the application has an access token of the source EHR for "user/*.read"
    When the application reads "Patient/{patient}" at the source EHR, accepting "application/x-ccde-nonsense"
    Then the status should be 406
    When the application reads "Patient/{patient}" at the source EHR
    Then it is granted

  @SRC-66
  Scenario: What the source EHR does not understand should be refused with 415
    Given a Consent of the patient for "user/*.read"
    But its body is of an unknown Content-Type
    When it is sent to the source EHR
    Then the status should be 415
    When it is sent without that change
    Then it is granted

  @SRC-67
  Scenario Outline: A <type> that never was is not found, told in <format>
    Given the person has given the source EHR a Consent for "user/*.read"
    And the application has an access token of the source EHR for "user/*.read"
    When <caller> reads "<type>/ccde-nothing-of-that-name" at the source EHR, accepting "<media type>"
    Then it is refused with 404
    When <caller> reads "<there>" at the source EHR, accepting "<media type>"
    Then it is granted

    Examples:
      | type        | caller           | there             | format | media type            |
      | Consent     | the person's app | Consent/{consent} | JSON   | application/fhir+json |
      | Consent     | the person's app | Consent/{consent} | XML    | application/fhir+xml  |
      | Patient     | the application  | Patient/{patient} | JSON   | application/fhir+json |
      | Patient     | the application  | Patient/{patient} | XML    | application/fhir+xml  |

  @SRC-67
  Scenario: A Consent that was deleted is gone
    Given the person has given the source EHR a Consent for "user/*.read"
    When the person's app reads "Consent/{consent}" at the source EHR
    Then it is granted
    When the person deletes the Consent
    And the person's app reads "Consent/{consent}" at the source EHR
    Then it is refused with 404 or 410

  @SRC-67
  Scenario Outline: An error of a <what> carries an OperationOutcome
    Given the application has an access token of the source EHR for "user/Observation.read"
    When the application reads "<bad>" at the source EHR
    Then it is refused
    When the application reads "<good>" at the source EHR
    Then it is granted

    Examples:
      | what                            | bad                                               | good                                                   |
      | search with a date that is none | Observation?patient={patient}&_lastUpdated=gtnever | Observation?patient={patient}&_lastUpdated=gt2010-01-01 |
      | type that the scopes don't name | Condition?patient={patient}                       | Observation?patient={patient}                          |
