Feature: The target EHR says who it is with a JWT
  The person asks the target EHR for a JWT and takes it to the source EHR. Whoever gets it can tell who made
  it, for whom, and for how long.

  @TGT-01
  Scenario: The target EHR gives out a JWT
    When nobody reads "$jwt?source={source}" at the target EHR
    Then the answer is a JWT and nothing else

  @TGT-02
  Scenario: Without a source there is no JWT
    When nobody reads "$jwt" at the target EHR
    Then it is refused
    And the status should be 400
    When nobody reads "$jwt?source=" at the target EHR
    Then it is refused
    And the status should be 400
    When nobody reads "$jwt?source={source}" at the target EHR
    Then the answer is a JWT and nothing else

  @TGT-03
  Scenario: The JWT is signed with an asymmetric algorithm
    Given a JWT of the target EHR
    Then the JWT is signed with an asymmetric algorithm

  @TGT-04 @TGT-05
  Scenario: The JWT says who made it, for whom and for how long
    Given a JWT of the target EHR
    Then the JWT has the claims iss, sub, iat and exp, in their time
    And the JWT lives at most 24 hours

  @TGT-06
  Scenario: The JWT's key is found, and verifies it
    Given a JWT of the target EHR
    Then the key that it leads to verifies it
    But the JWT with one character changed is not verified by that key

  @TGT-07
  Scenario: Every JWT has the same issuer
    Given a JWT of the target EHR
    When 2 seconds pass
    And nobody reads "$jwt?source=http://elsewhere.example/r3" at the target EHR
    Then the answer is a JWT and nothing else
    And it has the same issuer as the JWT before

  @TGT-08
  Scenario: The JWT is asked for with a Parameters resource
    When nobody posts to "$jwt" at the target EHR:
      """
      {"resourceType": "Parameters", "parameter": [{"name": "source", "valueUri": "{source}"}]}
      """
    Then the answer is Parameters with a JWT
    When nobody posts to "$jwt" at the target EHR:
      """
      {"resourceType": "Parameters", "parameter": [{"name": "source", "valueString": "{source}"}]}
      """
    Then the answer is Parameters with a JWT

  @TGT-09
  Scenario Outline: A JWT for an application is not for <caller>
    When <caller> reads "$jwt?for=growth-chart" at the target EHR
    Then it is refused with 401 or 403
    When the administrator reads "$jwt?for=growth-chart" at the target EHR
    Then the answer is a JWT and nothing else
    And its subject is "growth-chart"

    Examples:
      | caller           |
      | nobody           |
      | a stranger       |
      | the person's app |
