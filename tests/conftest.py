pytest_plugins = ["tests.s3_server", "tests.flow_session"]
