Feature: Clocks disagree, jump, and come to the very second
  Each EHR goes by its own clock. What ends, ends at its second, by the clock of the one that decides; and a clock
  that goes wrong loses nothing.

  @TGT-26 @SRC-12
  Scenario: A record moves between EHRs whose clocks are a minute apart
    Given all clocks stand still, at a whole second
    And the CAVS knows the target EHR, and the source EHR asks it
    When the clock of the target EHR goes 60 seconds forward
    And the person moves their record from the source EHR to the target EHR
    And the copying comes to rest
    Then the target EHR holds what the source EHR gave

  @TGT-27
  Scenario Outline: The copy stays up to date though the clock of <who> goes <way>
    Given all clocks stand still, at a whole second
    And the person has connected the target EHR to the source EHR
    And the copying comes to rest
    When the clock of <who> goes <way>
    And a new laboratory result of the patient is recorded at the source EHR
    And the next update is over
    Then it asked only for what is new
    And the target EHR holds the new result, once
    When a new laboratory result of the patient is recorded at the source EHR
    And the next update is over
    Then the target EHR holds the new result, once
    And the target EHR holds the whole record of the patient at the source EHR, each once

    Examples:
      | who            | way                |
      | the target EHR | 10 minutes forward |
      | the target EHR | 10 minutes back    |
      | the source EHR | 10 minutes forward |
      | the source EHR | 10 minutes back    |

  @TGT-27
  Scenario: All clocks are set back, and what is new is found all the same
    Given all clocks stand still, at a whole second
    And the person has connected the target EHR to the source EHR
    And the copying comes to rest
    When the clock of the source EHR goes 20 minutes back
    And the clock of the target EHR goes 20 minutes back
    And a new laboratory result of the patient is recorded at the source EHR
    And the next update is over
    Then the target EHR holds the new result, once
    And the target EHR holds the whole record of the patient at the source EHR, each once

  @TGT-29
  Scenario: An access token that ends by the source EHR's clock alone is replaced
    Given all clocks stand still, at a whole second
    And the person has connected the target EHR to the source EHR
    And the copying comes to rest
    When the clock of the source EHR goes 2 hours forward
    And a new laboratory result of the patient is recorded at the source EHR
    And the next update is over
    Then it got one new access token, and went on with it
    And the target EHR holds the new result, once

  @TGT-28
  Scenario: A target EHR whose clock jumps over the end asks nothing more, also when it is set back
    Given all clocks stand still, at a whole second
    And the person has connected the target EHR to the source EHR
    And the copying comes to rest
    When the clock of the target EHR goes 25 hours forward
    And the copying comes to rest
    And the person asks how the copying goes
    Then the status is "expired"
    When the clock of the target EHR goes 25 hours back
    And the next update is over
    Then it has asked the source EHR nothing in that time

  @TGT-28
  Scenario Outline: An update due <when> expires_in is over is <made>
    Given all clocks stand still, at a whole second
    And the authorization is to last <seconds> s
    And the person has connected the target EHR to the source EHR
    And the copying comes to rest
    When 300 seconds pass
    Then it has asked the source EHR <what> in that time

    Examples:
      | when                   | seconds | what     | made     |
      | at the second at which | 300     | nothing  | not made |
      | a second before        | 301     | for data | made     |

  @TGT-17
  Scenario: The target EHR's JWT is good to its last second
    Given all clocks stand still, at a whole second
    And the authorization is to last 3 d
    And the person has authorized the target EHR at the source EHR
    And a $connect request
    When 86400 seconds pass
    And it is sent
    Then it is refused with 400, naming "jwt", and no connection comes of it
    When the clock of the target EHR goes 1 second back
    And it is sent
    Then it is granted

  @SRC-22
  Scenario: A JWT is authorized up to its last second
    Given all clocks stand still, at a whole second
    And the person has given the source EHR a Consent for "user/*.read"
    And an $authorize request
    But the JWT ends at this second
    When it is sent
    Then it is refused, unless JWTs are only read there
    Given an $authorize request
    And the JWT ends at the next second
    When it is sent
    Then it is granted

  @SRC-22
  Scenario: A JWT from a system whose clock is a minute ahead is authorized
    Given all clocks stand still, at a whole second
    And the person has given the source EHR a Consent for "user/*.read"
    And an $authorize request
    But the JWT was issued 61 seconds from now
    When it is sent
    Then it is refused, unless JWTs are only read there
    Given an $authorize request
    And the JWT was issued 60 seconds from now
    When it is sent
    Then it is granted

  @SRC-16
  Scenario: A Consent is authorized up to the second at which it ends
    Given all clocks stand still, at a whole second
    And the authorization is to last 601 s
    And a Consent of the patient for "user/*.read"
    But its "period.end" is 10 minutes from now
    Then the source EHR refuses the Consent, when it is given or when it is authorized
    Given the authorization is to last 600 s
    And a Consent of the patient for "user/*.read"
    And its "period.end" is 10 minutes from now
    Then the Consent is authorized
    Given a token request
    When 599 seconds pass
    And it is sent
    Then it is granted
    When 1 second passes
    And it is sent
    Then it is refused

  @SRC-37
  Scenario: An authorization gives access tokens up to its last second
    Given all clocks stand still, at a whole second
    And the authorization is to last 90 s
    And the person has authorized the application at the source EHR for "user/*.read"
    And a token request
    When 89 seconds pass
    And it is sent
    Then it is granted
    And the access token ends no later than the authorization
    When 1 second passes
    And it is sent
    Then it is refused

  @SRC-45
  Scenario: An access token reads up to its last second
    Given all clocks stand still, at a whole second
    And the authorization is to last 90 s
    And the application has an access token of the source EHR for "user/*.read"
    When 89 seconds pass
    And the application reads "Patient/{patient}" at the source EHR
    Then it is granted
    When 1 second passes
    And the application reads "Patient/{patient}" at the source EHR
    Then it is refused with 401

  @SRC-74
  Scenario: The code of a sign-in is good to its last second
    Given all clocks stand still, at a whole second
    And the web application has a code for "launch/patient patient/*.read"
    And a code request of the web application
    When 60 seconds pass
    And it is sent
    Then it is refused
    When the clock of the source EHR goes 1 second back
    And it is sent
    Then it is granted

  @SRC-75
  Scenario: A sign-in's access token is refreshed at the second at which it ends
    Given all clocks stand still, at a whole second
    And the web application has signed the person in for "launch/patient patient/*.read offline_access"
    And a refresh request of the web application
    When 3599 seconds pass
    And the web application reads "Patient/{patient}" at the source EHR
    Then it is granted
    When 1 second passes
    And the web application reads "Patient/{patient}" at the source EHR
    Then it is refused with 401
    When it is sent
    Then it is granted

  @CAV-08
  Scenario: A JWT is approved up to its last second
    Given all clocks stand still, at a whole second
    And the application is registered at the CAVS, with no endorsement
    And the JWT ends at the next second
    When the CAVS is asked about the JWT
    Then the CAVS says "approved", unless it compares JWTs to the letter
    Given the JWT ends at this second
    When the CAVS is asked about the JWT
    Then the CAVS says "invalid", unless it reads no dates

  @CAV-08
  Scenario: It is the CAVS's clock by which a JWT ends
    Given all clocks stand still, at a whole second
    And the target EHR is registered at the CAVS with its JWT
    When the clock of the CAVS goes 60 seconds back
    And the CAVS is asked about the JWT of the target EHR
    Then the CAVS says "approved"
    When the clock of the CAVS goes 2 days forward
    And the CAVS is asked about the JWT of the target EHR
    Then the CAVS says "invalid", unless it reads no dates
    When the clock of the CAVS goes 2 days back
    And the CAVS is asked about the JWT of the target EHR
    Then the CAVS says "approved"
