Feature: The target EHR is reached over TLS
  What travels is a person's record, and what opens it. Nobody on the way is to read or change it.

  @SEC-04
  Scenario: The target EHR serves TLS, and its certificate verifies
    When the target EHR is reached over TLS
    Then it serves TLS 1.2 or later, with a certificate that verifies
