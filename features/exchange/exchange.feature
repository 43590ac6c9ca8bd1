Feature: A person's record moves between EHRs
  The whole flow, and several at once: JWT, Consent, authorization, connection, access token, copy, update.

  @TGT-26 @SRC-30
  Scenario: A record moves from the source EHR to the target EHR
    Given the CAVS knows the target EHR, and the source EHR asks it
    When the person moves their record from the source EHR to the target EHR
    And the copying comes to rest
    Then the target EHR holds what the source EHR gave

  @TGT-32
  Scenario: Records move both ways at the same time
    Given the target EHR holds a record of the patient "zoe"
    When the person moves their record from the source EHR to the target EHR
    And the patient "zoe" moves their record from the target EHR to the source EHR
    And the copying comes to rest
    Then the target EHR holds what the source EHR gave
    And the source EHR holds what the target EHR gave of the patient "zoe"

  @TGT-26
  Scenario: A record moves on from EHR to EHR
    Given the person moves their record from the source EHR to the target EHR
    And the copying comes to rest
    Then the target EHR holds what the source EHR gave
    When the person moves the copy from the target EHR to the second target EHR
    And the copying comes to rest
    Then the second target EHR holds what the target EHR gave of the copy

  @TGT-27
  Scenario: News travel on from EHR to EHR
    Given the person moves their record from the source EHR to the target EHR
    And the copying comes to rest
    And the person moves the copy from the target EHR to the second target EHR
    And the copying comes to rest
    When a new laboratory result of the patient is recorded at the source EHR
    And 30 minutes pass
    Then the target EHR holds the new result, once
    And the second target EHR holds the new result, once

  @TGT-32
  Scenario: Two patients move their records at once
    When the person moves their record from the source EHR to the target EHR
    And the other patient moves their record from the source EHR to the target EHR
    And the copying comes to rest
    Then the target EHR holds what the source EHR gave of the patient
    And the target EHR holds what the source EHR gave of the other patient
    And each patient's record was asked for with that patient's access token

  @TGT-32
  Scenario: Two people who have the same id at two source EHRs are kept apart
    Given the source EHR holds a record of the patient "kim"
    And the second source EHR holds a record of the patient "kim"
    When the patient "kim" moves their record from the source EHR to the target EHR
    And the patient "kim" moves their record from the second source EHR to the target EHR
    And the copying comes to rest
    Then the target EHR holds what the source EHR gave of the patient "kim"
    And the target EHR holds what the second source EHR gave of the patient "kim"

  @TGT-26
  Scenario: One source EHR gives the same record to two target EHRs
    When the person moves their record from the source EHR to the target EHR
    And the person moves their record from the source EHR to the second target EHR
    And the copying comes to rest
    Then the target EHR holds what the source EHR gave
    And the second target EHR holds what the source EHR gave

  @SRC-38 @SRC-45
  Scenario: A Consent that the person withdraws ends the copying
    Given the person moves their record from the source EHR to the target EHR
    And the copying comes to rest
    Then the target EHR holds what the source EHR gave
    When the person withdraws the Consent
    And a new laboratory result of the patient is recorded at the source EHR
    And 1 hour passes
    Then the target EHR does not hold the new result, unless a withdrawn Consent runs on there

  @TGT-28
  Scenario: The copying ends with the authorization
    Given the authorization is to last 30 min
    And the person moves their record from the source EHR to the target EHR
    And the copying comes to rest
    When 40 minutes pass
    And a new laboratory result of the patient is recorded at the source EHR
    And 20 minutes pass
    Then it has asked the source EHR nothing in that time
    And the target EHR does not hold the new result

  @TGT-41
  Scenario: A person who stops one connection keeps the other
    Given the person moves their record from the source EHR to the target EHR
    And the other patient moves their record from the source EHR to the target EHR
    And the copying comes to rest
    When the person stops the copying of the patient
    And the next update is over
    Then it has asked the source EHR nothing of the patient in that time
    But it has asked the source EHR for data of the other patient in that time
