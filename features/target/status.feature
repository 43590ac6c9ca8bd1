Feature: The person sees how the copying goes, and can stop it
  The target EHR tells how a connection stands, to those who may know, without a secret in it.

  @TGT-40
  Scenario: The target EHR tells how copying goes
    Given the person has connected the target EHR to the source EHR
    And the copying comes to rest
    When the person asks how the copying goes
    Then it is granted
    And the status is "waiting"
    And it tells source, consent, patient, times, and how much was copied

  @TGT-40
  Scenario: The list shows the connection
    Given the person has connected the target EHR to the source EHR
    And the copying comes to rest
    When the person's app reads "$connection" at the target EHR
    Then it is granted
    And the connection is in the list, once

  @TGT-40
  Scenario: A connection that is over says so
    Given the person has connected the target EHR to the source EHR for 1 update
    And the copying comes to rest
    When the connection's time is over
    And the person asks how the copying goes
    Then the status is "expired"

  @TGT-40
  Scenario: A connection whose authorization the source EHR does not know fails with a message
    Given the person has authorized the target EHR at the source EHR
    And a $connect request
    But its "authorization" is "2b0d7b3d-4a52-4f6c-9c59-ccde00000002"
    When it is sent
    Then it is granted
    When the copying comes to rest
    And the person asks how the copying goes
    Then the status is "failed", with a message

  @TGT-40
  Scenario: A connection to another patient than was authorized fails with a message
    Given the person has authorized the target EHR at the source EHR
    And a $connect request
    But its "patient" is "{other patient}"
    When it is sent
    Then it is granted
    When the copying comes to rest
    And the person asks how the copying goes
    Then the status is "failed", with a message
    And no request for data came with the access token

  @TGT-41
  Scenario: The target EHR stops when told
    Given the person has connected the target EHR to the source EHR
    And the copying comes to rest
    When the next update is over
    Then it has asked the source EHR for data in that time
    When the person stops the copying
    Then it is granted
    When the next update is over
    Then it has asked the source EHR nothing in that time
    When the person asks how the copying goes
    Then the status is "stopped"

  @TGT-41
  Scenario: To stop twice is no error
    Given the person has connected the target EHR to the source EHR
    And the copying comes to rest
    When the person stops the copying
    Then it is granted
    When the person stops the copying
    Then it is granted

  @TGT-42
  Scenario: Status, list, errors and metadata show no secret
    Given the person has connected the target EHR to the source EHR
    And the copying comes to rest
    When the person asks how the copying goes
    And the person's app reads "$connection" at the target EHR
    And nobody reads "metadata" at the target EHR
    Then none of these answers shows a secret

  @TGT-42
  Scenario: An error of $connect shows no secret
    Given the person has authorized the target EHR at the source EHR
    And a $connect request
    But the JWT has a bad signature
    When it is sent
    Then it is refused with 400, naming "jwt", and no connection comes of it
    And none of these answers shows a secret

  @TGT-42
  Scenario: A connection that failed shows no secret
    Given the person has authorized the target EHR at the source EHR
    When the source EHR answers every request for "/auth/token" with status 400 and the body:
      """
      {"error": "invalid_grant", "error_description": "{jwt} and {authorization} don't fit together"}
      """
    And the person has connected them
    And the copying comes to rest
    When the person asks how the copying goes
    Then none of these answers shows a secret

  @TGT-43
  Scenario Outline: A connection is not shown to <caller>
    Given the person has connected the target EHR to the source EHR
    And the copying comes to rest
    When <caller> reads "$connection?id={connection}" at the target EHR
    Then it is refused with 401, 403 or 404
    When <caller> reads "$connection" at the target EHR
    Then it is refused with 401 or 403
    When the person asks how the copying goes
    Then it is granted

    Examples:
      | caller     |
      | nobody     |
      | a stranger |

  @TGT-43
  Scenario Outline: A connection is not stopped by <caller>
    Given the person has connected the target EHR to the source EHR
    And the copying comes to rest
    When <caller> stops the copying
    Then it is refused with 401, 403 or 404
    When the person asks how the copying goes
    Then the status is "waiting"
    When the person stops the copying
    Then it is granted

    Examples:
      | caller     |
      | nobody     |
      | a stranger |

  @TGT-43
  Scenario: The administrator sees every connection
    Given the person has connected the target EHR to the source EHR
    And the copying comes to rest
    When the administrator reads "$connection?id={connection}" at the target EHR
    Then it is granted

  @TGT-43
  Scenario: The person's app does not see a connection that the administrator started
    Given the person has authorized the target EHR at the source EHR
    And a $connect request
    When the administrator sends it
    Then it is granted
    When the person's app reads "$connection" at the target EHR
    Then it is granted
    And the connection is not in the list
    When the person's app reads "$connection?id={connection}" at the target EHR
    Then it is refused, unless the connection was taken for one without a bearer
    When the administrator reads "$connection?id={connection}" at the target EHR
    Then it is granted

  @TGT-43
  Scenario: A connection that was started without a bearer is seen by its id
    Given the person has authorized the target EHR at the source EHR
    And a $connect request
    When nobody sends it
    Then it is granted
    When the copying comes to rest
    And nobody reads "$connection?id={connection}" at the target EHR
    Then it is granted
    When nobody reads "$connection" at the target EHR
    Then it is refused with 401 or 403

  @TGT-43
  Scenario Outline: The copied record is not given to <caller>
    Given the person has connected the target EHR to the source EHR
    And the copying comes to rest
    Then the copy of the patient is at the target EHR
    When <caller> reads "Patient/{copy}" at the target EHR
    Then it is refused with 401 or 403
    When <caller> reads "Condition?patient={copy}" at the target EHR
    Then it is refused with 401 or 403
    When the administrator reads "Patient/{copy}" at the target EHR
    Then it is granted

    Examples:
      | caller           |
      | nobody           |
      | a stranger       |
      | the person's app |
