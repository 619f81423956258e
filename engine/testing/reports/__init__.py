"""What a test run says: to a person, to CI (JUnit), to a program (JSON), as a page."""
