Feature: Links drop, and EHRs die and come back
  A record arrives whole, whatever becomes of the network and of the EHRs on the way: nothing is lost, nothing is held twice.

  @TGT-30
  Scenario Outline: The link drops while the target EHR waits for <what>
    Given all clocks stand still, at a whole second
    And the person has authorized the target EHR at the source EHR
    And the source EHR holds back its answer to the next request for "<path>"
    When the person has connected them
    And the target EHR has asked for "<path>"
    And the link between the source EHR and the target EHR is cut
    And 1 minute passes
    And the link between the source EHR and the target EHR is mended
    And 10 minutes pass
    Then the target EHR holds the whole record of the patient at the source EHR, each once

    Examples:
      | what                  | path                      |
      | the metadata          | /r3/metadata              |
      | an access token       | /auth/token               |
      | a first page          | /r3/Condition             |
      | a next page           | /r3/Observation?_cursor=* |
      | a referenced resource | /r3/Practitioner/*        |

  @TGT-30
  Scenario: The source EHR is away for some updates
    Given all clocks stand still, at a whole second
    And the person has connected the target EHR to the source EHR
    And the copying comes to rest
    When the link between the source EHR and the target EHR is cut
    And a new laboratory result of the patient is recorded at the source EHR
    And the next update is over
    Then the connection says what went wrong
    And the target EHR does not hold the new result
    When the next update is over
    And the link between the source EHR and the target EHR is mended
    And the next update is over
    Then the target EHR holds the new result, once
    And the target EHR holds the whole record of the patient at the source EHR, each once

  @TGT-30
  Scenario: The source EHR is killed in the middle of the copy, and comes back
    Given all clocks stand still, at a whole second
    And the person has authorized the target EHR at the source EHR
    And the source EHR holds back its answer to the next request for "/r3/Observation?_cursor=*"
    When the person has connected them
    And the target EHR has asked for "/r3/Observation?_cursor=*"
    And the source EHR is killed
    And 1 minute passes
    And the source EHR is started again
    And 10 minutes pass
    Then the target EHR holds the whole record of the patient at the source EHR, each once

  @TGT-30
  Scenario: The source EHR stands still for a while, and goes on
    Given all clocks stand still, at a whole second
    And the person has authorized the target EHR at the source EHR
    When the source EHR is paused
    And the person has connected them
    And the source EHR goes on
    And the copying comes to rest
    Then the target EHR holds what the source EHR gave, each once

  @TGT-30
  Scenario: A page that fails twice is asked for again, and slow bytes are waited for
    Given all clocks stand still, at a whole second
    And the person has authorized the target EHR at the source EHR
    When the source EHR answers the next 2 requests for "/r3/Observation?_cursor=*" with status 500
    And the source EHR breaks off its next 2 answers to "/r3/Condition"
    And the source EHR sends "/r3/Procedure" at 20000 bytes a second
    And the person has connected them
    And 10 minutes pass
    Then it followed every next link to the end
    And the target EHR holds the whole record of the patient at the source EHR, each once

  @TGT-31
  Scenario Outline: The target EHR is killed while it waits for <what>
    Given all clocks stand still, at a whole second
    And the person has authorized the target EHR at the source EHR
    And the source EHR holds back its answer to the next request for "<path>"
    When the person has connected them
    And the target EHR has asked for "<path>"
    And the target EHR is killed
    And a new laboratory result of the patient is recorded at the source EHR
    And a Condition of the patient is changed at the source EHR
    And the target EHR is started again
    And 10 minutes pass
    Then the target EHR holds the new result, once
    And the target EHR holds the whole record of the patient at the source EHR, each once

    Examples:
      | what                  | path                      |
      | an access token       | /auth/token               |
      | a next page           | /r3/Observation?_cursor=* |
      | a referenced resource | /r3/Practitioner/*        |

  @TGT-41
  Scenario: The person stops the copying in the middle of a page
    Given all clocks stand still, at a whole second
    And the person has authorized the target EHR at the source EHR
    And the source EHR holds back its answer to the next request for "/r3/Observation?_cursor=*"
    When the person has connected them
    And the target EHR has asked for "/r3/Observation?_cursor=*"
    And the person stops the copying
    Then it is granted
    When the source EHR lets go of what it held back
    And 10 minutes pass
    Then it has asked the source EHR nothing in that time
    When the person asks how the copying goes
    Then the status is "stopped"

  @TGT-31
  Scenario: What the person stopped stays stopped after a crash
    Given all clocks stand still, at a whole second
    And the person has connected the target EHR to the source EHR
    And the copying comes to rest
    When the person stops the copying
    Then it is granted
    When the target EHR is killed
    And the target EHR is started again
    And the next update is over
    Then it has asked the source EHR nothing in that time
    When the person asks how the copying goes
    Then the status is "stopped"

  @TGT-34
  Scenario: A person whose answer was lost connects again, and there is one connection
    Given all clocks stand still, at a whole second
    And the person has authorized the target EHR at the source EHR
    And a $connect request
    When it is sent, and the answer is lost
    And it is sent
    Then it is granted
    When the copying comes to rest
    And the person's app reads "$connection" at the target EHR
    Then the connection is in the list, once
    And the target EHR holds what the source EHR gave, each once

  @SRC-45
  Scenario: A Consent that is withdrawn in the middle of the copy ends it there
    Given all clocks stand still, at a whole second
    And the person has authorized the target EHR at the source EHR
    When the source EHR answers the next 1 request for "/r3/Observation?_cursor=*" with status 503, to be tried again after 60 seconds
    And the person has connected them
    And the copying comes to rest
    And the person withdraws the Consent
    And 10 minutes pass
    Then the source EHR has given nothing in that time, unless a withdrawn Consent runs on there

  @SRC-24
  Scenario: The CAVS is killed, and comes back with its registry
    Given all clocks stand still, at a whole second
    And the source EHR asks the CAVS
    And the application is registered at the CAVS, with no endorsement
    And the person has given the source EHR a Consent for "user/*.read"
    And an $authorize request
    When the CAVS is killed
    And it is sent
    Then it is refused or carries a message, within 10 seconds
    When the CAVS is started again
    And it is sent
    Then it is granted
    And the answer carries what the CAVS says

  @SRC-30
  Scenario: What the source EHR has acknowledged outlives a crash
    Given all clocks stand still, at a whole second
    And the application has an access token of the source EHR for "user/*.read"
    When the source EHR is killed
    And the source EHR is started again
    And the application reads "Patient/{patient}" at the source EHR
    Then it is granted
    Given a token request
    When it is sent
    Then it is granted

  @SRC-38
  Scenario: A Consent that was withdrawn is so after a crash of the source EHR too
    Given all clocks stand still, at a whole second
    And the person has authorized the application at the source EHR for "user/*.read"
    And a token request
    When it is sent
    Then it is granted
    When the person withdraws the Consent
    And the source EHR is killed
    And the source EHR is started again
    And it is sent
    Then it is refused, unless a withdrawn Consent runs on there
