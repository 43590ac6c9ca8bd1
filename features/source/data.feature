Feature: The source EHR answers the Sync for Science queries
  The application reads the person's record, query by query: each answers that patient's resources, all of
  them, and nobody else's.

  @SRC-50
  Scenario: The CapabilityStatement tells what the source EHR can do
    When nobody reads "metadata" at the source EHR
    Then it is granted
    And it is an STU3 CapabilityStatement that lists the types of Sync for Science
    And it names the token endpoint

  @SRC-51
  Scenario: The patient's demographics are read
    Given the application has an access token of the source EHR for "user/*.read"
    When the application reads "Patient/{patient}" at the source EHR
    Then it is granted
    And the answer is "Patient/{patient}"
    And it shows the patient's demographics

  @SRC-52
  Scenario: The smoking status is found by its category and by its code
    Given the application has an access token of the source EHR for "user/*.read"
    When the application reads "Observation?category=social-history&patient={patient}" at the source EHR
    Then the answer is the whole of it
    When the application reads "Observation?code=http://loinc.org%7C72166-2&patient={patient}" at the source EHR
    Then the answer is the whole of it

  @SRC-54
  Scenario: The patient's medications are found
    Given the application has an access token of the source EHR for "user/*.read"
    When the application reads the medications at the source EHR, as its CapabilityStatement lists them
    Then each answer is the whole of it

  Scenario Outline: The patient's <what> are found
    Given the application has an access token of the source EHR for "user/*.read"
    When the application reads "<query>" at the source EHR
    Then the answer is the whole of it

    @SRC-53
    Examples:
      | what     | query                       |
      | problems | Condition?patient={patient} |

    @SRC-55
    Examples:
      | what                       | query                                |
      | allergies and intolerances | AllergyIntolerance?patient={patient} |

    @SRC-56
    Examples:
      | what               | query                                             |
      | laboratory results | Observation?category=laboratory&patient={patient} |

    @SRC-57
    Examples:
      | what        | query                                              |
      | vital signs | Observation?category=vital-signs&patient={patient} |

    @SRC-58
    Examples:
      | what       | query                       |
      | procedures | Procedure?patient={patient} |

    @SRC-59
    Examples:
      | what          | query                          |
      | immunizations | Immunization?patient={patient} |

    @SRC-61
    Examples:
      | what             | query                          |
      | insurance covers | Coverage?beneficiary={patient} |

    @SRC-62
    Examples:
      | what                    | query                                  |
      | explanations of benefit | ExplanationOfBenefit?patient={patient} |

  @SRC-60
  Scenario: The patient's documents are found, and their content can be read
    Given the application has an access token of the source EHR for "user/*.read"
    When the application reads "DocumentReference?patient={patient}" at the source EHR
    Then the answer is the whole of it
    And the content of each document can be read

  @SRC-63
  Scenario Outline: What is newer than an instant is found by it: <type>
    Given the application has an access token of the source EHR for "user/*.read"
    When the application parts its "<type>" at the source EHR by _lastUpdated
    Then what is newer than the instant is found, and only that

    Examples:
      | type                                              |
      | Observation?category=laboratory&patient={patient} |
      | Condition?patient={patient}                       |

  @SRC-63
  Scenario Outline: What is newer than an instant is found in its time zone, <zone>
    Given the application has an access token of the source EHR for "user/*.read"
    When the application parts its "Condition?patient={patient}" at the source EHR by _lastUpdated in the zone <zone>
    Then what is newer than the instant is found, and only that

    Examples:
      | zone   |
      | +05:30 |
      | -08:00 |

  @SRC-63
  Scenario: What is recorded now is newer than what was there
    Given the application has an access token of the source EHR for "user/*.read"
    And the application reads "Observation?category=laboratory&patient={patient}" at the source EHR
    When 20 minutes pass
    And a new laboratory result of the patient is recorded at the source EHR
    Then what is newer than 10 minutes ago is that result only

  @SRC-64
  Scenario Outline: The pages of <count> together are the whole
    Given the application has an access token of the source EHR for "user/*.read"
    When the application reads "Observation?patient={patient}&_count=<count>" at the source EHR
    Then no page has more than <count>
    And the answer is the whole of it, each resource once

    Examples:
      | count |
      | 7     |
      | 50    |

  @SRC-65
  Scenario: All that the record holds is valid STU3, and its references lead somewhere
    Given the application has an access token of the source EHR for "user/*.read"
    When the application reads the whole record at the source EHR
    Then all that it shows is valid
    And its references resolve
