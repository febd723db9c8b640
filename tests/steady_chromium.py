#!/usr/bin/env python3
"""The browser in OHIF_BROWSER, unaware of changes of the machine's networks (run as a program).

Chromium drops all its requests (net::ERR_NETWORK_CHANGED) when an interface comes or goes, as with each container that
another test starts. It learns of it by a netlink socket. Without one, which a seccomp filter refuses, it takes the
network for steady.
"""

import errno
import os
import socket
import sys

import pyseccomp

if __name__ == "__main__":
    rules = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
    is_netlink = pyseccomp.Arg(0, pyseccomp.EQ, socket.AF_NETLINK)
    rules.add_rule(pyseccomp.ERRNO(errno.EAFNOSUPPORT), "socket", is_netlink)
    rules.load()
    os.execv(os.environ["OHIF_BROWSER"], [os.environ["OHIF_BROWSER"], *sys.argv[1:]])
