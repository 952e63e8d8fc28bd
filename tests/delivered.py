"""Logs as AWS's services deliver them to buckets: a line or two of each, with the keys that the services give them.

The lines are those of the services' documentation, with other times and names.
"""

from __future__ import annotations

import gzip
import json
from typing import Any

ALB = (
    'https 2025-03-05T07:00:01.186641Z app/my-loadbalancer/50dc6c495c0c9188 192.168.131.39:2817 10.0.0.1:80 0.086 '
    '0.048 '
    '0.037 200 200 0 57 "GET https://www.example.com:443/a?b=c HTTP/1.1" "curl/7.46.0" ECDHE-RSA-AES128-GCM-SHA256 '
    'TLSv1.2'
    " arn:aws:elasticloadbalancing:us-east-2:123456789012:targetgroup/my-targets/73e2d6bc24d8a067 "
    '"Root=1-58337281-1d84f3d73c47ec4e58577259" "www.example.com" '
    '"arn:aws:acm:us-east-2:123456789012:certificate/1234" 1 '
    '2025-03-05T07:00:01.014000Z "authenticate,forward" "-" "-" "10.0.0.1:80" "200" "-" "-" TID_1234abcd5678ef90 "-" '
    '"-" "-"'
)  # fmt: skip
ALB_REFUSED = (
    "h2 2025-03-05T07:00:02.186641Z app/my-loadbalancer/50dc6c495c0c9188 [2001:db8::1]:2817 - -1 -1 -1 400 - 0 57 "
    '"- http://x:80- -" "-" - - - "-" "-" "-" - 2025-03-05T07:00:02.364000Z "-" "-" "-" "-" "-" "-" "-"'
)
ALB_CONNECTION = (
    "2025-03-05T07:00:01.514108Z 203.0.113.1 36280 443 TLSv1.2 ECDHE-RSA-AES128-GCM-SHA256 4.036 "
    '"CN=amazondomains.com,'
    'O=endEntity,L=Seattle,ST=Washington,C=US" NotBefore=2023-09-21T22:43:21Z;NotAfter=2026-06-17T22:43:21Z '
    "FEF257372D5C14D4 Success TID_3180a73013c8ca4bac2f731159d4b0fe"
)
NLB = (
    "tls 2.0 2025-03-05T07:00:01 net/my-network-loadbalancer/c6e77e28c25b2234 g3d4b5e8bb8464cd 72.21.218.154:51341 "
    "172.100.100.185:443 5 2 98 246 - arn:aws:acm:us-east-2:671290407336:certificate/2a108f19 - ECDHE-RSA-AES128-SHA "
    "tlsv12 - "
    'my-network-loadbalancer-c6e77e28c25b2234.elb.us-east-2.amazonaws.com h2 h2 "h2","http/1.1" 2025-03-05T06:59:58'
)
CLB = (
    "2025-03-05T07:00:01.945958Z my-loadbalancer 192.168.131.39:2817 10.0.0.1:80 0.000073 0.001048 0.000057 200 200 0 "
    "29 "
    '"GET http://www.example.com:80/ HTTP/1.1" "curl/7.38.0" - -'
)
CLB_OF_TCP = (
    "2025-03-05T07:00:01.529348Z my-loadbalancer 192.168.131.39:2817 10.0.0.1:443 0.001069 0.000028 0.000041 - - 82 "
    "305 "
    '"- - - " "-" - -'
)
OWNER = "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be"
S3_ACCESS = (
    f"{OWNER} amzn-s3-demo-bucket1 [05/Mar/2025:07:00:01 +0000] 192.0.2.3 {OWNER} 3E57427F3EXAMPLE "
    "REST.GET.VERSIONING - "
    '"GET /amzn-s3-demo-bucket1?versioning HTTP/1.1" 200 - 113 - 7 - "-" "S3Console/0.4" - '
    "s9lzHYrFp76ZVxRcpX9+5cjAnEH2ROu"
    "NkdZhHpEXAMPLE= SigV4 ECDHE-RSA-AES128-GCM-SHA256 AuthHeader amzn-s3-demo-bucket1.s3.us-west-1.amazonaws.com "
    "TLSV1.2 "
    "arn:aws:s3:us-west-1:123456789012:accesspoint/example-AP Yes us-east-1"
)
CLOUDFRONT_HEAD = (
    "#Version: 1.0\n#Fields: date time x-edge-location sc-bytes c-ip cs-method cs(Host) cs-uri-stem sc-status "
    "cs(Referer) "
    "cs(User-Agent) cs-uri-query cs(Cookie) x-edge-result-type x-edge-request-id x-host-header cs-protocol cs-bytes "
    "time-taken x-forwarded-for ssl-protocol ssl-cipher x-edge-response-result-type cs-protocol-version fle-status "
    "fle-encrypted-fields c-port time-to-first-byte x-edge-detailed-result-type sc-content-type sc-content-len "
    "sc-range-start sc-range-end"
)
CLOUDFRONT = (
    "2025-03-05\t07:00:01\tLAX1\t392\t192.0.2.100\tGET\td111111abcdef8.cloudfront.net\t/index.html\t200\t-\tMozilla/5."
    "0%20(Win"
    "dows%20NT%2010.0)\t-\t-\tHit\tSOX4xwn4XV6Q4rgb7XiVGOHms_BGlTAC4KyHmureZmBNrjGdRLiNIQ==\td111111abcdef8.cloudfront"
    ".net\t"
    "https\t23\t0.001\t-\tTLSv1.2\tECDHE-RSA-AES128-GCM-SHA256\tHit\tHTTP/2.0\t-\t-\t11040\t0.001\tHit\ttext/html\t78"
    "\t-\t-"
)
CLOUDFRONT_JSON = json.dumps(
    {
        "date": "2025-03-05", "time": "07:00:01", "x-edge-location": "SFO53-P7", "sc-bytes": "1068", "c-ip":
        "192.0.2.100",
        "cs-method": "GET", "cs(Host)": "d111111abcdef8.cloudfront.net", "cs-uri-stem": "/feed.xml", "sc-status":
        "304",
        "cs(Referer)": "-", "cs(User-Agent)": "Feedly/1.0", "x-edge-result-type": "Hit", "x-edge-request-id":
        "VqkomJQi",
        "time-taken": "0.001", "c-country": "US",
    }
)  # fmt: skip
CLOUDTRAIL: dict[str, Any] = {
    "eventVersion": "1.08",
    "userIdentity": {"type": "IAMUser", "principalId": "EXAMPLE6E4XEGITWATV6R", "accountId": "123456789012"},
    "eventTime": "2025-03-05T07:00:01Z",
    "eventSource": "ec2.amazonaws.com",
    "eventName": "StartInstances",
    "awsRegion": "us-east-2",
    "sourceIPAddress": "192.0.2.0",
    "requestParameters": {"instancesSet": {"items": [{"instanceId": "i-EXAMPLE56126103cb"}]}},
    "requestID": "e4336db0-149f-4a6b-844d-EXAMPLEb9d16",
    "eventID": "e755e09c-42f9-4c5c-9064-e0e2b5d2e8a1",
    "readOnly": False,
    "eventType": "AwsApiCall",
    "recipientAccountId": "123456789012",
    "eventCategory": "Management",
}
INSIGHT: dict[str, Any] = {
    "eventVersion": "1.07",
    "eventTime": "2025-03-05T07:09:00Z",
    "awsRegion": "us-east-1",
    "eventID": "5d5c9c5e-fc3b-4b0a-a7ce-0d2f3f6c2a11",
    "eventType": "AwsCloudTrailInsight",
    "recipientAccountId": "123456789012",
    "sharedEventID": "a1b2c3d4-5678-90ab-cdef-111111111111",
    "insightDetails": {"state": "Start", "eventSource": "ssm.amazonaws.com", "eventName": "UpdateInstanceInformation"},
    "eventCategory": "Insight",
}
DIGEST: dict[str, Any] = {
    "awsAccountId": "123456789012",
    "digestStartTime": "2025-03-05T06:00:01Z",
    "digestEndTime": "2025-03-05T07:00:01Z",
    "digestS3Bucket": "trail",
    "logFiles": [{"s3Bucket": "trail", "s3Object": "x.json.gz", "hashValue": "00"}],
}
WAF: dict[str, Any] = {
    "timestamp": 1741158001123,
    "formatVersion": 1,
    "webaclId": "arn:aws:wafv2:ap-southeast-2:123456789012:regional/webacl/STMTest/1EXAMPLE-2ARN-3ARN-4ARN-123456EXAMP"
    "LE",
    "terminatingRuleId": "STMTest_SQLi_XSS",
    "terminatingRuleType": "REGULAR",
    "action": "BLOCK",
    "httpSourceName": "ALB",
    "httpRequest": {
        "clientIp": "1.1.1.1", "country": "AU", "headers": [{"name": "Host", "value": "localhost:1989"}], "uri":
        "/foo",
        "args": "", "httpVersion": "HTTP/1.1", "httpMethod": "GET", "requestId": "rid",
    },
}  # fmt: skip
RESOLVER: dict[str, Any] = {
    "version": "1.100000", "account_id": "123456789012", "region": "us-east-1", "vpc_id": "vpc-00000000000000000",
    "query_timestamp": "2025-03-05T07:00:01Z", "query_name": "example.com.", "query_type": "A", "query_class": "IN",
    "rcode": "NOERROR", "answers": [{"Rdata": "192.0.2.1", "Type": "A", "Class": "IN"}], "srcaddr": "10.0.0.7",
    "srcport": "56067", "transport": "UDP", "srcids": {"instance": "i-0d15cd0d3adfcdb2e"},
}  # fmt: skip
FLOW_HEAD = (
    "version vpc-id subnet-id instance-id srcaddr pkt-srcaddr srcport tcp-flags start end log-status ecs-service-name "
    "traffic-path reject-reason"
)
FLOW = (
    "8 vpc-abcdefab012345678 subnet-aaaaaaaa012345678 i-01234567890123456 10.0.1.5 203.0.113.5 43416 19 1741158001 "
    "1741158061 "
    "OK shop 8 BPA"
)
SECURITY_LAKE: dict[str, Any] = {
    "metadata": {"product": {"name": "CloudTrail", "version": "1.08"}, "version": "1.1.0", "uid": "e755e09c"},
    "time": 1741158001000,
    "class_uid": 6003,
    "category_uid": 6,
    "activity_id": 1,
    "unmapped": {"recipientAccountId": "123456789012"},
}

ACCOUNT, REGION = "123456789012", "us-east-2"
_ELB = f"AWSLogs/{ACCOUNT}/elasticloadbalancing/{REGION}/2025/03/05"
_ELB_NAME = f"{ACCOUNT}_elasticloadbalancing_{REGION}"
KEYS = {
    "alb": f"{_ELB}/{_ELB_NAME}_app.my-loadbalancer.50dc6c495c0c9188_20250305T0705Z_172.160.001.192_20sg8hgm.log.gz",
    "alb_connection": f"{_ELB}/conn_log.{_ELB_NAME}_app.my-lb.50dc6c495c0c9188_20250305T0705Z_172.160.1.192_20sg8hgm.l"
    "og.gz",
    "nlb": f"{_ELB}/{_ELB_NAME}_net.my-network-loadbalancer.c6e77e28c25b2234_20250305T0705Z_fc2e4f2a.log.gz",
    "clb": f"{_ELB}/{_ELB_NAME}_my-loadbalancer_20250305T0705Z_172.160.001.192_20sg8hgm.log",
    "cloudfront": "cdn/EMLARXS9EXAMPLE.2025-03-05-07.RT4KCN4SGK9.gz",
    "s3_access": "access/2025-03-05-07-21-32-E568B2907131C0C0",
    "cloudtrail": f"AWSLogs/o-exampleorgid/{ACCOUNT}/CloudTrail/{REGION}/2025/03/05/{ACCOUNT}_CloudTrail_{REGION}_2025"
    "0305T0705Z_"
    "Mu0KsOhtH1ar15ZZ.json.gz",
    "waf": f"AWSLogs/{ACCOUNT}/WAFLogs/{REGION}/STMTest/2025/03/05/07/00/{ACCOUNT}_waflogs_{REGION}_STMTest_20250305T0"
    "700Z_"
    "e0ca43b5.log.gz",
    "route53_resolver": f"AWSLogs/{ACCOUNT}/vpcdnsquerylogs/vpc-0000/2025/03/05/vpc-0000_vpcdnsquerylogs_{ACCOUNT}_202"
    "50305T0700Z"
    "_71fbd2e7.log.gz",
    "vpc_flow": f"AWSLogs/aws-account-id={ACCOUNT}/aws-service=vpcflowlogs/aws-region={REGION}/year=2025/month=03/day="
    "05/hour=07/"
    f"{ACCOUNT}_vpcflowlogs_{REGION}_fl-1234abcd_20250305T0705Z_fe123456.log.gz",
    "ocsf": f"aws/CLOUD_TRAIL_MGMT/2.0/region={REGION}/accountId={ACCOUNT}/eventDay=20250305/a1b2c3d4.gz.parquet",
}  # fmt: skip
"""Parser -> key of an object that it reads."""


def packed(*lines: str) -> bytes:
    """An object that holds lines."""
    return gzip.compress("".join(f"{line}\n" for line in lines).encode())


def trail(*records: dict[str, Any]) -> bytes:
    """An object of CloudTrail."""
    return gzip.compress(json.dumps({"Records": records}, separators=(",", ":")).encode())


CONTENTS = {
    "alb": packed(ALB, ALB_REFUSED),
    "alb_connection": packed(ALB_CONNECTION),
    "nlb": packed(NLB),
    "clb": packed(CLB, CLB_OF_TCP),
    "cloudfront": packed(CLOUDFRONT_HEAD, CLOUDFRONT),
    "s3_access": f"{S3_ACCESS}\n".encode(),
    "cloudtrail": trail(CLOUDTRAIL, INSIGHT),
    "waf": packed(json.dumps(WAF)),
    "route53_resolver": packed(json.dumps(RESOLVER)),
    "vpc_flow": packed(FLOW_HEAD, FLOW),
}
"""Parser -> bytes of such an object."""
