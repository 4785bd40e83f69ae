"""Checks a JUnit report against what Jenkins' schema (junit-10.xsd) has and nextest adds, and prints how many test cases, flaky failures
and repeated failures it has.

    junit.py REPORT
"""

import sys, xml.etree.ElementTree as tree
RERUN = ({"message", "type", "timestamp", "time"}, ["stackTrace", "system-out", "system-err"])
REASON = ({"message", "type"}, [])
NODES = {
    "testsuites": ({"name", "tests", "failures", "errors", "skipped", "time", "timestamp"}, ["testsuite"]),
    "testsuite": ({"name", "tests", "failures", "errors", "skipped", "time", "timestamp"}, ["testcase", "system-err"]),
    "testcase": ({"name", "classname", "time", "timestamp"}, ["skipped", "error", "failure", "rerunFailure", "rerunError",
                 "flakyFailure", "flakyError", "system-out", "system-err"]),
    "failure": REASON, "error": REASON, "skipped": REASON,
    "rerunFailure": RERUN, "rerunError": RERUN, "flakyFailure": RERUN, "flakyError": RERUN,
    "stackTrace": (set(), []), "system-out": (set(), []), "system-err": (set(), []),
}
def check(node):
    attributes, children = NODES[node.tag]
    assert set(node.attrib) <= attributes, (node.tag, node.attrib)
    for required in {"testsuite": ["name", "tests", "failures", "errors"], "testcase": ["name"], "rerunFailure": ["type"],
                     "flakyFailure": ["type"]}.get(node.tag, []):
        assert required in node.attrib, (node.tag, required)
    for child in node:
        assert child.tag in children, (node.tag, child.tag)
        check(child)
root = tree.parse(sys.argv[1]).getroot()
assert root.tag == "testsuites"
check(root)
cases = root.findall("testsuite/testcase")
assert len(cases) == int(root.attrib["tests"])
assert len([case for case in cases if case.find("failure") is not None]) == int(root.attrib["failures"])
print(len(cases), len(root.findall(".//flakyFailure")), len(root.findall(".//rerunFailure")))
