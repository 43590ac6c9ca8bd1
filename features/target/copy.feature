Feature: The target EHR copies the person's record
  Once connected, the target EHR trades JWT and authorization for an access token, asks for the person's
  record, and keeps all of it, unchanged.

  @TGT-20 @TGT-21
  Scenario: The target EHR asks for its access token as the protocol says
    Given the person has connected the target EHR to the source EHR
    When the copying comes to rest
    Then it asked the source EHR for an access token, in the right form
    And it presented the very JWT that was authorized

  @TGT-22
  Scenario: The access token goes in a header, with each request
    Given the person has connected the target EHR to the source EHR
    When the copying comes to rest
    Then each request for data carried the access token as a Bearer, and no URL did

  @TGT-23
  Scenario: JWT, authorization and access token go nowhere else
    Given the person has connected the target EHR to the source EHR
    When the copying comes to rest
    Then it showed no secret to anyone but whom it is for

  @TGT-23
  Scenario: JWT and authorization go to the token endpoint that the source EHR's metadata names
    Given the source EHR's metadata names the token endpoint of the second source EHR
    And the person has connected the target EHR to the source EHR
    When the copying comes to rest
    Then it asked the second source EHR for an access token, and the source EHR for none

  @TGT-23
  Scenario: The access token is not taken along to another host
    Given the source EHR's next link of "/r3/Condition" leads to the second source EHR
    And the person has connected the target EHR to the source EHR
    When the copying comes to rest
    Then it showed no secret to the second source EHR

  @TGT-23
  Scenario: A redirect does not take the access token along
    Given the source EHR redirects "/r3/Condition" to the second source EHR
    And the person has connected the target EHR to the source EHR
    When the copying comes to rest
    Then it showed no secret to the second source EHR

  @TGT-23
  Scenario: A reference does not take the access token along to another host
    Given the source EHR runs the script:
      """
      # Each Condition was asserted by somebody who is known elsewhere.
      def elsewhere(req, ans):
          for entry in (ans.json or {}).get("entry", []):
              entry["resource"]["asserter"] = {"reference": "{second source}/Practitioner/gp"}

      on_answer(elsewhere, method = "GET", path = "/r3/Condition", status = 200)
      """
    And the person has connected the target EHR to the source EHR
    When the copying comes to rest
    Then it showed no secret to the second source EHR

  @TGT-24
  Scenario: The target EHR asks for the whole first-connection set
    Given the person has connected the target EHR to the source EHR
    When the copying comes to rest
    Then it asked for all that Sync for Science names

  @TGT-24
  Scenario: The target EHR asks for what the scopes allow
    Given the person has authorized the target EHR at the source EHR for "user/Patient.read user/Observation.read user/Condition.read"
    And the person has connected them
    When the copying comes to rest
    Then it asked for all that Sync for Science names, as far as the scopes go

  @TGT-25
  Scenario: The target EHR turns every page
    Given the person has connected the target EHR to the source EHR
    When the copying comes to rest
    Then it followed every next link to the end
    And the target EHR holds what the source EHR gave

  @TGT-25
  Scenario: The target EHR turns a long row of pages
    Given the source EHR runs the script "small-pages"
    And the person has connected the target EHR to the source EHR
    When the copying comes to rest
    Then it followed every next link to the end
    And the target EHR holds what the source EHR gave

  @TGT-26
  Scenario: The target EHR holds the record, unchanged
    Given the person has connected the target EHR to the source EHR
    When the copying comes to rest
    Then the target EHR holds what the source EHR gave

  @TGT-26
  Scenario: The target EHR holds what the record refers to, and its references lead there
    Given the person has connected the target EHR to the source EHR
    When the copying comes to rest
    Then it asked for what the record refers to
    And the target EHR holds what the source EHR gave
    And each reference between copies leads to the copy

  @TGT-33 @TGT-42
  Scenario Outline: An answer that is <fault> fails that query, and nothing else
    Given the source EHR answers "/r3/Condition" with <fault>
    And the person has connected the target EHR to the source EHR
    When the copying comes to rest
    Then the rest of the record was copied
    And the connection says what went wrong
    And none of these answers shows a secret

    Examples:
      | fault                   |
      | half a Bundle           |
      | a page of HTML          |
      | a resource of no Bundle |
      | a Bundle of another type |
      | a page of another resource type |
      | an empty answer         |

  @TGT-33
  Scenario: After an answer that is no Bundle the target EHR goes on
    Given the person has authorized the target EHR at the source EHR
    When the source EHR answers the next 1 request for "/r3/Condition" with status 200 and the body:
      """
      {"resourceType": "Basic", "id": "no-bundle", "code": {"text": "no Bundle"}}
      """
    And the person has connected them
    And the copying comes to rest
    And a new laboratory result of the patient is recorded at the source EHR
    And the next update is over
    Then it has asked the source EHR for data in that time
    And the target EHR holds the new result, once

  @TGT-33
  Scenario: Pages in a circle come to an end
    Given the source EHR's pages of "/r3/Condition" lead in a circle
    And the person has connected the target EHR to the source EHR
    When the copying comes to rest
    Then the rest of the record was copied

  @TGT-32
  Scenario: Two connections of two patients are kept apart
    Given the person has connected the target EHR to the source EHR
    And the other patient has connected the target EHR to the source EHR
    When the copying comes to rest
    Then the target EHR holds what the source EHR gave of the patient
    And the target EHR holds what the source EHR gave of the other patient
    And each patient's record was asked for with that patient's access token

  @TGT-32
  Scenario: Two connections of two patients stay apart when they are updated
    Given the person has connected the target EHR to the source EHR
    And the other patient has connected the target EHR to the source EHR
    And the copying comes to rest
    When the next update is over
    Then it has asked the source EHR for data of the patient in that time
    And it has asked the source EHR for data of the other patient in that time
    And each patient's record was asked for with that patient's access token
