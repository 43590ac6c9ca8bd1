Feature: The person connects the target EHR to the source EHR
  $connect tells the target EHR where the record is, and what opens it. It is refused where a parameter is
  missing or wrong: the answer names the parameter, and no connection comes of it.

  @TGT-10
  Scenario: A good $connect is accepted
    Given the person has authorized the target EHR at the source EHR
    And a $connect request
    When it is sent
    Then it is granted

  @TGT-10
  Scenario: A $connect without the optional patient is accepted
    Given the person has authorized the target EHR at the source EHR
    And a $connect request
    And it has no "patient"
    When it is sent
    Then it is granted
    When the copying comes to rest
    Then the target EHR holds what the source EHR gave

  @TGT-10
  Scenario: A $connect whose form names its charset is accepted
    Given the person has authorized the target EHR at the source EHR
    And a $connect request
    When it is sent as a form with a charset
    Then it is granted

  @TGT-10
  Scenario: A slash at the end of the source does not count
    Given the person has authorized the target EHR at the source EHR
    And a $connect request
    And its "source" is "{source}/"
    When it is sent
    Then it is granted
    When the copying comes to rest
    Then the target EHR holds what the source EHR gave

  Scenario Outline: A $connect without "<parameter>" is refused
    Given the person has authorized the target EHR at the source EHR
    And a $connect request
    But it has no "<parameter>"
    When it is sent
    Then it is refused with 400, naming "<parameter>", and no connection comes of it
    When it is sent without that change
    Then it is granted

    @TGT-11
    Examples:
      | parameter |
      | source    |
    @TGT-12
    Examples:
      | parameter |
      | consent   |
    @TGT-14
    Examples:
      | parameter  |
      | expires_in |
    @TGT-15
    Examples:
      | parameter |
      | jwt       |
    @TGT-16
    Examples:
      | parameter     |
      | authorization |

  Scenario Outline: A $connect with <value> for "<parameter>" is refused
    Given the person has authorized the target EHR at the source EHR
    And a $connect request
    But its "<parameter>" is <value>
    When it is sent
    Then it is refused with 400, naming "<parameter>", and no connection comes of it
    When it is sent without that change
    Then it is granted

    @TGT-11
    Examples:
      | parameter | value                  |
      | source    | ""                     |
      | source    | "r3"                   |
      | source    | "//ehr.example/r3"     |
      | source    | "ftp://ehr.example/r3" |
      | source    | "no URL at all"        |
    @TGT-12
    Examples:
      | parameter | value           |
      | consent   | ""              |
      | consent   | "not/an/id"     |
      | consent   | "with a space"  |
    @TGT-13
    Examples:
      | parameter | value           |
      | patient   | "Patient/1?a=b" |
      | patient   | "with a space"  |
    @TGT-14
    Examples:
      | parameter  | value     |
      | expires_in | ""        |
      | expires_in | "a month" |
      | expires_in | "12.5"    |
    @TGT-15
    Examples:
      | parameter | value    |
      | jwt       | ""       |
      | jwt       | "no JWT" |
      | jwt       | "a.b.c"  |
    @TGT-16
    Examples:
      | parameter     | value                                                               |
      | authorization | ""                                                                  |
      | authorization | "a2345678b2345678c2345678d2345678e2345678f2345678g2345678h2345678i" |

  @TGT-14
  Scenario Outline: A $connect that lasts <seconds> seconds should be refused
    Given the person has authorized the target EHR at the source EHR
    And a $connect request
    But its "expires_in" is "<seconds>"
    When it is sent
    Then it should be refused
    When it is sent without that change
    Then it is granted

    Examples:
      | seconds |
      | 0       |
      | -60     |

  @TGT-15
  Scenario: A JWT that another system issued is refused
    Given the person has authorized the target EHR at the source EHR
    And a $connect request
    But the JWT is one that another system issued
    When it is sent
    Then it is refused with 400, naming "jwt", and no connection comes of it
    When it is sent without that change
    Then it is granted

  @TGT-17
  Scenario Outline: A JWT that <fault> is refused
    Given the person has authorized the target EHR at the source EHR
    And a $connect request
    But the JWT <fault>
    When it is sent
    Then it is refused with 400, naming "jwt", and no connection comes of it
    When it is sent without that change
    Then it is granted

    Examples:
      | fault                       |
      | has a bad signature         |
      | has other claims than signed |
      | has the algorithm none      |

  @TGT-17
  Scenario: A JWT that has expired is refused
    Given the person has authorized the target EHR at the source EHR
    And a $connect request
    When its JWT has expired meanwhile
    And it is sent
    Then it is refused with 400, naming "jwt", and no connection comes of it
    Given the person has authorized the target EHR at the source EHR
    And a $connect request
    When it is sent
    Then it is granted

  @TGT-18
  Scenario: A $connect with a Parameters resource is accepted
    Given the person has authorized the target EHR at the source EHR
    And a $connect request
    When it is sent as Parameters
    Then it is granted
    When the copying comes to rest
    Then the target EHR holds what the source EHR gave

  @TGT-19
  Scenario Outline: A $connect with "<parameter>" given twice is refused
    Given the person has authorized the target EHR at the source EHR
    And a $connect request
    But its "<parameter>" stands there twice
    When it is sent
    Then it is refused with 400, naming "<parameter>", and no connection comes of it
    When it is sent without that change
    Then it is granted

    Examples:
      | parameter     |
      | source        |
      | consent       |
      | expires_in    |
      | patient       |
      | jwt           |
      | authorization |

  @TGT-34
  Scenario: The same $connect again starts no second copy
    Given the person has authorized the target EHR at the source EHR
    And a $connect request
    When it is sent
    Then it is granted
    When the copying comes to rest
    And it is sent
    And the copying comes to rest
    Then it is the same connection as before
    And the target EHR holds what the source EHR gave, each once
