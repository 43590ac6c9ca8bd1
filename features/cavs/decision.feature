Feature: The CAVS says what is known of an application
  Whoever holds an application's JWT asks the CAVS: is it known here, is it in use, who endorses it, and as
  what? The CAVS decides from its registry, as it is now.

  @CAV-01
  Scenario: The CAVS answers anyone
    When the CAVS is asked about the JWT
    Then it is granted
    And the CAVS's answer has a status and a message

  @CAV-02 @CAV-06
  Scenario: A registered application is approved, with its endorsements
    Given the application is registered at the CAVS, with the endorsements:
      | endorser           | url                    | type       | comment                            |
      | Patients United    | http://united.example/ | approval   | We use it ourselves                |
      | Watchful Data Fund | http://watch.example/  | warning    | Keeps data for a year              |
      | Ärzte für Daten    | http://aerzte.example/ | usage-note | Läuft nur auf großen Bildschirmen. |
    When the CAVS is asked about the JWT
    Then the CAVS says "approved"
    And the endorsements are those registered

  @CAV-02
  Scenario: A registered application that nobody endorses is approved
    Given the application is registered at the CAVS, with no endorsement
    When the CAVS is asked about the JWT
    Then the CAVS says "approved"
    And the endorsements are those registered

  @CAV-02
  Scenario: An application does not get the endorsements of another
    Given the application is registered at the CAVS, with the endorsements:
      | endorser        | url                    | type     | comment             |
      | Patients United | http://united.example/ | approval | We use it ourselves |
    And another application is registered at the CAVS, with the endorsements:
      | endorser           | url                   | type    | comment               |
      | Watchful Data Fund | http://watch.example/ | warning | Keeps data for a year |
    When the CAVS is asked about the JWT
    Then the CAVS says "approved"
    And the endorsements are those registered

  @CAV-02
  Scenario: A new JWT of a registered application is approved too
    Given the application is registered at the CAVS, with no endorsement
    When the JWT is another good one of the application
    And the CAVS is asked about the JWT
    Then the CAVS says "approved", unless it compares JWTs to the letter

  @CAV-02 @CAV-06
  Scenario Outline: An endorsement that is <status> does not count
    Given the application is registered at the CAVS, with the endorsements:
      | endorser        | url                    | type     | comment             | status   |
      | Patients United | http://united.example/ | approval | We use it ourselves | final    |
      | Hasty Reviewers | http://hasty.example/  | approval | Not looked at yet   | <status> |
    When the CAVS is asked about the JWT
    Then the CAVS says "approved"
    And the endorsements are those registered

    Examples:
      | status           |
      | preliminary      |
      | entered-in-error |
      | cancelled        |

  @CAV-02 @CAV-06
  Scenario: An endorsement that was amended counts, and one of another category does not
    Given the application is registered at the CAVS, with the endorsements:
      | endorser        | url                    | type     | comment             | status  | category    |
      | Patients United | http://united.example/ | approval | We use it ourselves | amended | endorsement |
      | Hasty Reviewers | http://hasty.example/  | approval | Not looked at yet   | final   | laboratory  |
    When the CAVS is asked about the JWT
    Then the CAVS says "approved"
    And the endorsements are those registered

  @CAV-02 @CAV-06
  Scenario: An endorsement is by the first who performed it, with their URL
    Given the application is registered at the CAVS, with the endorsements:
      | endorser           | url                    | type     | comment               | beside          | phone           |
      | Patients United    | http://united.example/ | approval | We use it ourselves   | Hasty Reviewers |                 |
      | Watchful Data Fund | http://watch.example/  | warning  | Keeps data for a year |                 | +1 202 555 0143 |
    When the CAVS is asked about the JWT
    Then the CAVS says "approved"
    And the endorsements are those registered

  @CAV-03
  Scenario: A good JWT of no application is unknown
    Given another application is registered at the CAVS, with no endorsement
    When the CAVS is asked about the JWT
    Then the CAVS says "unknown"
    When the application is registered at the CAVS, with no endorsement
    And the CAVS is asked about the JWT
    Then the CAVS says "approved"

  @CAV-03
  Scenario: A good JWT of another issuer for the same application is unknown
    Given the application is registered at the CAVS, with no endorsement
    When the CAVS is asked about a JWT of the target EHR that is for the same application
    Then the CAVS says "unknown"
    When the CAVS is asked about the JWT
    Then the CAVS says "approved"

  @CAV-04
  Scenario Outline: A JWT that <fault> is invalid
    Given the application is registered at the CAVS, with no endorsement
    When the JWT <fault>
    And the CAVS is asked about the JWT
    Then the CAVS says "invalid"
    When the JWT is good
    And the CAVS is asked about the JWT
    Then the CAVS says "approved"

    Examples:
      | fault                         |
      | is no JWT but a word          |
      | has a bad signature           |
      | has other claims than signed  |
      | is signed with an unknown key |
      | has lost its signature        |

  @CAV-05
  Scenario Outline: An application whose Device is <status> is unsuitable
    Given the application is registered at the CAVS, with no endorsement
    And its registration has the status "<status>"
    When the CAVS is asked about the JWT
    Then the CAVS says "unsuitable"
    When its registration has the status "active"
    And the CAVS is asked about the JWT
    Then the CAVS says "approved"

    Examples:
      | status           |
      | inactive         |
      | entered-in-error |
      | unknown          |

  @CAV-07
  Scenario: Without a JWT nothing is approved
    When the CAVS is asked without a JWT
    Then the CAVS refuses, or says "invalid"
    When the CAVS is asked with an empty JWT
    Then the CAVS refuses, or says "invalid"
    Given the application is registered at the CAVS, with no endorsement
    When the CAVS is asked about the JWT
    Then the CAVS says "approved"

  @CAV-08
  Scenario: An expired JWT is invalid
    Given the application is registered at the CAVS, with no endorsement
    When the JWT has expired
    And the CAVS is asked about the JWT
    Then the CAVS says "invalid", unless it reads no dates
    When the JWT is good
    And the CAVS is asked about the JWT
    Then the CAVS says "approved"

  @CAV-08
  Scenario: A JWT is invalid once its day is over
    Given the application is registered at the CAVS, with no endorsement
    When the CAVS is asked about the JWT
    Then the CAVS says "approved"
    When 25 hours pass
    And the CAVS is asked about the JWT
    Then the CAVS says "invalid", unless it reads no dates

  @CAV-09
  Scenario Outline: A JWT that <fault> deceives no CAVS
    Given the application is registered at the CAVS, with no endorsement
    When the JWT <fault>
    And the CAVS is asked about the JWT
    Then the CAVS says "invalid"
    When the JWT is good
    And the CAVS is asked about the JWT
    Then the CAVS says "approved"

    Examples:
      | fault                                 |
      | has the algorithm none                |
      | is an HMAC made with the public key   |
      | brings a key of its own in its header |
      | is signed with a key of no kid        |
