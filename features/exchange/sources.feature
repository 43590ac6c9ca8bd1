Feature: A source EHR that is slow, stingy or strict
  What a script makes of the source EHR, a target EHR must live with: it copies the record all the same.

  @TGT-26 @TGT-30
  Scenario: Every third search is answered with 429
    Given the person has authorized the target EHR at the source EHR
    And the source EHR runs the script "third-search-429"
    When the person has connected them
    And the copying comes to rest
    And 10 minutes pass
    Then the target EHR holds what the source EHR gave
    And the source EHR's scripts have counted "refused" at least 3 times

  @TGT-26 @TGT-29
  Scenario: An access token is good for twenty reads
    Given the person has authorized the target EHR at the source EHR
    And the source EHR runs the script "counted-token"
    When the person has connected them
    And the copying comes to rest
    Then the target EHR holds what the source EHR gave

  @TGT-20
  Scenario: The token endpoint takes its time
    Given the person has authorized the target EHR at the source EHR
    And the source EHR runs the script "slow-token"
    When the person has connected them
    And the copying comes to rest
    Then the target EHR holds what the source EHR gave

  @TGT-25
  Scenario: Every page is cut off once
    Given the person has authorized the target EHR at the source EHR
    And the source EHR runs the script:
      """
      # The first answer to each search is the head of one.
      asked = {}

      def once(req, ans):
          if req.url not in asked:
              asked[req.url] = True
              count("cut")
              cut(100)

      on_answer(once, path = "/r3/*", query = {"patient": "{patient}"}, status = 200)
      """
    When the person has connected them
    And the copying comes to rest
    And 10 minutes pass
    Then the target EHR holds what the source EHR gave
    And the source EHR's scripts have counted "cut" at least 10 times
