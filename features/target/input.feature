Feature: The target EHR refuses malformed input, and takes no harm
  What can't be read is refused with an OperationOutcome. No connection comes of it, and the target EHR goes on.

  @SEC-01
  Scenario Outline: A $connect request is refused where the body is <body>
    Given the person has authorized the target EHR at the source EHR
    And a $connect request
    But its body is <body>
    When it is sent
    Then it is refused as malformed
    When it is sent without that change
    Then it is granted

    Examples:
      | body                          |
      | broken JSON                   |
      | broken XML                    |
      | JSON that is no resource      |
      | JSON of another resource type |
      | JSON that is no UTF-8         |
      | of an unknown Content-Type    |
      | a broken form                 |

  @SEC-02
  Scenario Outline: The target EHR takes no harm from a $connect request in <body>
    Given the person has authorized the target EHR at the source EHR
    And a $connect request
    But its body is <body>
    When it is sent
    Then it is refused as malformed
    When it is sent without that change
    Then it is granted

    Examples:
      | body                            |
      | XML with a bomb of entities     |
      | XML with an entity from outside |
      | XML nested 10,000 levels deep   |
      | JSON nested 10,000 levels deep  |

  @SEC-03
  Scenario: The target EHR does not take a $connect request of 64 MiB
    Given the person has authorized the target EHR at the source EHR
    And a $connect request
    But its body is a form of 64 MiB
    When it is sent
    Then it should be too large
    When it is sent without that change
    Then it is granted

  @SEC-05
  Scenario Outline: An error of $connect holds no secret where "<parameter>" is wrong
    Given the person has authorized the target EHR at the source EHR
    And a $connect request
    But its "<parameter>" is "<value>"
    When it is sent
    Then the error shows no secret

    Examples:
      | parameter  | value     |
      | source     | no URL    |
      | expires_in | soon      |
      | consent    | not an id |

  @SEC-05
  Scenario: An error of $connect holds no secret where the JWT was altered
    Given the person has authorized the target EHR at the source EHR
    And a $connect request
    But the JWT has a bad signature
    When it is sent
    Then the error shows no secret
