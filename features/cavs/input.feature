Feature: The CAVS refuses malformed input, and takes no harm
  What can't be read is no JWT: the CAVS says so, and goes on.

  @SEC-01
  Scenario Outline: A question to the CAVS is refused where the body is <body>
    Given a question to the CAVS about the JWT
    But its body is <body>
    When it is sent
    Then it is refused as malformed
    When it is sent without that change
    Then it is granted

    Examples:
      | body                       |
      | JSON where a form is taken |
      | a broken form              |
      | of an unknown Content-Type |

  @SEC-03
  Scenario: The CAVS does not take a question of 64 MiB
    Given a question to the CAVS about the JWT
    But its body is a form of 64 MiB
    When it is sent
    Then it should be too large
    When it is sent without that change
    Then it is granted

  @SEC-05
  Scenario: What the CAVS says of a bad JWT holds no secret
    Given a question to the CAVS about the JWT
    But its body is a broken form
    When it is sent
    Then the error shows no secret

  @SEC-05
  Scenario Outline: What the CAVS says of a JWT that <fault> does not hold it
    Given a question to the CAVS about the JWT
    But the JWT <fault>
    When it is sent
    Then the error shows no secret

    Examples:
      | fault                         |
      | has expired                   |
      | has a bad signature           |
      | is signed with an unknown key |
