# Scenarios of this module's own. A tag of the form ABC-12 is for the requirements
# of ccde; any other is free.
@acme
Feature: The shop's CAVS is looked after

  Scenario: It says that it is healthy
    When the health of the shop is asked for
    Then it is healthy

  @CAV-03
  Scenario: The shop knows nobody
    When the CAVS is asked about the JWT
    Then the CAVS says "unknown"
    And the health of the shop is asked for
    And it is healthy
