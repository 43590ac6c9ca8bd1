Feature: The source EHR is reached over TLS
  What travels is a person's record, and what opens it. Nobody on the way is to read or change it.

  @SEC-04
  Scenario: The source EHR serves TLS, and its certificate verifies
    When the source EHR is reached over TLS
    Then it serves TLS 1.2 or later, with a certificate that verifies
