#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""pool_settings_test.py against PostgreSQL 18, which reports the search path."""
import os, sys

os.execve(os.path.abspath(__file__).replace("_18_", "_"), sys.argv, dict(os.environ, POOL_SERVER="18"))
