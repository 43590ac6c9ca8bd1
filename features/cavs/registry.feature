Feature: The CAVS's registry is kept in FHIR resources
  Whoever runs the CAVS edits Devices, Observations and Organizations; each change shows in the next answer.
  The keys of applications come from key sets that the CAVS's configuration names, and from nowhere else.

  @CAV-10
  Scenario: A change of the Device shows in the next answer
    Given the application is registered at the CAVS, with no endorsement
    When the CAVS is asked about the JWT
    Then the CAVS says "approved"
    When its registration has the status "inactive"
    And the CAVS is asked about the JWT
    Then the CAVS says "unsuitable"
    When its registration is deleted
    And the CAVS is asked about the JWT
    Then the CAVS says "unknown"

  @CAV-10
  Scenario: A change of an endorsement shows in the next answer
    Given the application is registered at the CAVS, with the endorsements:
      | endorser        | url                    | type     | comment             |
      | Patients United | http://united.example/ | approval | We use it ourselves |
    When the CAVS is asked about the JWT
    Then the endorsements are those registered
    When the endorsement by "Patients United" gets the comment "We used it once" and the type "warning"
    And the CAVS is asked about the JWT
    Then the endorsements are those registered
    When the endorsement by "Patients United" is deleted
    And the CAVS is asked about the JWT
    Then the CAVS says "approved"
    And the endorsements are those registered

  @CAV-10
  Scenario: A change of an endorser shows in the next answer
    Given the application is registered at the CAVS, with the endorsements:
      | endorser        | url                    | type     | comment             |
      | Patients United | http://united.example/ | approval | We use it ourselves |
    When the CAVS is asked about the JWT
    Then the endorsements are those registered
    When the endorser "Patients United" gets the name "Patients Reunited" and the URL "http://reunited.example/"
    And the CAVS is asked about the JWT
    Then the endorsements are those registered

  @CAV-11
  Scenario: The CAVS takes JWTs from several key sets
    Given the target EHR is registered at the CAVS with its JWT
    And the application is registered at the CAVS, with no endorsement
    When the CAVS is asked about the JWT of the target EHR
    Then the CAVS says "approved"
    When the CAVS is asked about the JWT
    Then the CAVS says "approved"

  @CAV-11
  Scenario: The CAVS follows a new key
    Given the target EHR is registered at the CAVS with its JWT
    When the CAVS is asked about the JWT of the target EHR
    Then the CAVS says "approved"
    When the target EHR takes a new key
    And the CAVS is asked about a new JWT of the target EHR
    Then within a minute the CAVS says "approved", unless it compares JWTs to the letter

  @CAV-11
  Scenario: The CAVS fetches no key set that only the JWT names
    Given the application is registered at the CAVS, with no endorsement
    When the JWT names a key set at the source EHR
    And the CAVS is asked about the JWT
    Then the CAVS says "invalid"
    And the CAVS did not ask for the key set that the JWT names

  @CAV-12
  Scenario: A JWT whose key can't be had is never approved
    Given the target EHR takes a new key
    And the target EHR is registered at the CAVS with its JWT
    When the link between the CAVS and the target EHR is cut
    And the CAVS is asked about the JWT of the target EHR
    Then it answers within 10 seconds, and does not approve
    When the link between the CAVS and the target EHR is mended
    And the CAVS is asked about the JWT of the target EHR
    Then within a minute the CAVS says "approved"
