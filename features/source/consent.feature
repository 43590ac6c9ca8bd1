Feature: The person gives a Consent to the source EHR
  A Consent says which application may read which part of a person's record. The source EHR keeps it,
  and keeps only one that it could honour.

  @SRC-01
  Scenario: A Consent is created from JSON
    Given a Consent of the patient for "user/*.read"
    When it is sent to the source EHR
    Then it is granted
    And the Consent is there, as it was sent

  @SRC-01
  Scenario: A Consent with several scopes and a period is created from JSON
    Given a Consent of the patient for "user/Patient.read user/Observation.read"
    And its "period" is {"start": "2017-09-01", "end": "2099-12-31"}
    When it is sent to the source EHR
    Then it is granted
    And the Consent is there, as it was sent

  @SRC-02
  Scenario: A Consent is created from XML
    Given a Consent of the patient for "user/Patient.read user/Observation.read"
    And its "period" is {"start": "2017-09-01", "end": "2099-12-31"}
    When it is sent to the source EHR as XML
    Then it is granted
    And the Consent comes back unchanged as XML

  @SRC-03
  Scenario Outline: A Consent created from <sent> comes back unchanged as <read>
    Given a Consent of the patient for "user/Patient.read user/Observation.read"
    And its "identifier" is {"system": "http://ccde.example/consents", "value": "a & b < c \"d\" é 漢"}
    And its "dateTime" is "2017-09-09T10:11:12+02:00"
    And its "period" is {"start": "2017-09-01", "end": "2099-12-31"}
    And its "extension" is [{"url": "http://ccde.example/weight", "valueDecimal": 1.50}]
    When it is sent to the source EHR as <sent>
    Then it is granted
    And the Consent comes back unchanged as <read>

    Examples:
      | sent | read |
      | JSON | JSON |
      | JSON | XML  |
      | XML  | JSON |
      | XML  | XML  |

  @SRC-04
  Scenario: A Consent for a patient whom the source EHR does not have is refused
    Given a Consent of the patient for "user/*.read"
    But its "patient.reference" is "Patient/ccde-nobody-of-that-name"
    When it is sent to the source EHR
    Then it is refused
    When it is sent without that change
    Then it is granted

  @SRC-48
  Scenario Outline: A Consent is not taken from <caller>
    Given a Consent of the patient for "user/*.read"
    When <caller> sends it to the source EHR
    Then it is refused with 401
    When it is sent to the source EHR
    Then it is granted

    Examples:
      | caller     |
      | nobody     |
      | a stranger |

  @SRC-48
  Scenario Outline: A Consent is not shown to <caller>
    Given the person has given the source EHR a Consent for "user/*.read"
    When <caller> reads "Consent/{consent}" at the source EHR
    Then it is refused with 401
    When the person's app reads "Consent/{consent}" at the source EHR
    Then it is granted

    Examples:
      | caller     |
      | nobody     |
      | a stranger |
