pytest_plugins = ["tests.face3d", "tests.s3_server", "tests.flow_session", "tests.three_takes"]
