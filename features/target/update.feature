Feature: The target EHR keeps the copy up to date
  After the first copy the target EHR asks from time to time for what is new, until the connection is over.
  It bears with a source EHR that is busy, broken or away.

  @TGT-27
  Scenario: What is new at the source EHR is picked up, once
    Given the person has connected the target EHR to the source EHR
    And the copying comes to rest
    When a new laboratory result of the patient is recorded at the source EHR
    And the next update is over
    Then it asked only for what is new
    And the target EHR holds the new result, once
    And the target EHR holds what the source EHR gave, each once

  @TGT-27
  Scenario: What changes at the source EHR changes in the copy
    Given the person has connected the target EHR to the source EHR
    And the copying comes to rest
    When a Condition of the patient is changed at the source EHR
    And the next update is over
    Then the target EHR holds what the source EHR gave, each once

  @TGT-27
  Scenario: The Patient is read again
    Given the person has connected the target EHR to the source EHR
    And the copying comes to rest
    When the phone number of the patient is changed at the source EHR
    And the next update is over
    Then the target EHR holds the new phone number
    And the target EHR holds what the source EHR gave, each once

  @TGT-27
  Scenario: What comes twice is held once
    Given the person has connected the target EHR to the source EHR
    And the copying comes to rest
    When a new laboratory result of the patient is recorded at the source EHR
    And the next update is over
    And the next update is over
    Then it asked only for what is new
    And the target EHR holds what the source EHR gave, each once

  @TGT-28
  Scenario: After expires_in the target EHR asks nothing more
    Given the person has connected the target EHR to the source EHR for 2 updates
    And the copying comes to rest
    When the next update is over
    Then it has asked the source EHR for data in that time
    When the connection's time is over
    And the next update is over
    Then it has asked the source EHR nothing in that time

  @TGT-29
  Scenario: With a token that is refused the target EHR gets a new one
    Given the person has connected the target EHR to the source EHR
    And the copying comes to rest
    When the source EHR answers the next 1 request for "/r3/Condition" with status 401
    And a new laboratory result of the patient is recorded at the source EHR
    And the next update is over
    Then it got one new access token, and went on with it
    And the target EHR holds the new result, once

  @TGT-29
  Scenario: With every token refused the connection comes to an end
    Given the person has connected the target EHR to the source EHR
    And the copying comes to rest
    When the source EHR answers every request for "/r3/Condition" with status 401
    And the next update is over
    Then it got at most one new access token in that time

  @TGT-30
  Scenario Outline: On <status> the target EHR waits as Retry-After says
    Given the person has authorized the target EHR at the source EHR
    When the source EHR answers the next 1 request for "/r3/Condition" with status <status>, to be tried again after 5 seconds
    And the person has connected them
    And the target EHR has had time to ask for "/r3/Condition" 2 times
    Then it asked for "/r3/Condition" again, not before 5 seconds were over
    And the target EHR holds what the source EHR gave

    Examples:
      | status |
      | 429    |
      | 503    |

  # Its clock may go a little ahead of the source EHR's.
  @TGT-30
  Scenario: The target EHR waits until the date that Retry-After says
    Given the person has authorized the target EHR at the source EHR
    When the source EHR answers the next request for "/r3/Condition" with status 503, to be tried again at a date in 8 seconds
    And the person has connected them
    And the target EHR has had time to ask for "/r3/Condition" 2 times
    Then it asked for "/r3/Condition" again, not before 5 seconds were over
    And the target EHR holds what the source EHR gave

  @TGT-30
  Scenario: On other errors the target EHR tries again, and waits longer each time
    Given the person has authorized the target EHR at the source EHR
    When the source EHR answers the next 3 requests for "/r3/Condition" with status 500
    And the person has connected them
    And the target EHR has had time to ask for "/r3/Condition" 4 times
    Then it asked for "/r3/Condition" again within a minute, with a growing wait
    And the target EHR holds what the source EHR gave

  @TGT-31
  Scenario: The target EHR goes on after a crash
    Given the person has connected the target EHR to the source EHR
    And the copying comes to rest
    When the target EHR is killed
    And a new laboratory result of the patient is recorded at the source EHR
    And the target EHR is started again
    And the next update is over
    Then the target EHR holds the new result, once
    And the target EHR holds what the source EHR gave, each once

  @TGT-31
  Scenario: The target EHR goes on after a crash in the middle of the copy
    Given the person has authorized the target EHR at the source EHR
    When the source EHR answers the next 1 request for "/r3/Procedure" with status 503, to be tried again after 60 seconds
    And the person has connected them
    And the target EHR has asked for "/r3/Procedure"
    And the target EHR is killed
    And the target EHR is started again
    And 10 minutes pass
    Then the target EHR holds what the source EHR gave, each once
