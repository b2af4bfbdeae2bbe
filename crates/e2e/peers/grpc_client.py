"""Every kind of gRPC call through the edge. Arguments: port, host, CA file."""

import queue
import sys

import grpc

port, host, ca = sys.argv[1:]
credentials = grpc.ssl_channel_credentials(open(ca, "rb").read())
options = [
    ("grpc.ssl_target_name_override", host),
    ("grpc.default_authority", f"{host}:{port}"),
    ("grpc.max_receive_message_length", 16 << 20),
    ("grpc.enable_http_proxy", 0),
]
channel = grpc.secure_channel(f"ipv4:127.0.0.1:{port}", credentials, options)
deadline = 10

unary = channel.unary_unary("/test.Test/Unary")
answer, call = unary.with_call(b"abc", timeout=deadline)
assert answer == b"cba", answer
assert ("x-sum", "3") in [tuple(pair) for pair in call.trailing_metadata()], call.trailing_metadata()
assert unary(b"", timeout=deadline) == b""
large = bytes(range(256)) * 16384
assert unary(large, timeout=deadline) == large[::-1]

try:
    channel.unary_unary("/test.Test/Refuse")(b"", timeout=deadline)
    raise AssertionError("not refused")
except grpc.RpcError as error:
    assert error.code() == grpc.StatusCode.FAILED_PRECONDITION, error
    assert error.details() == "not today: ü", error.details()
    assert ("x-why", "because") in [tuple(pair) for pair in error.trailing_metadata()]

try:
    channel.unary_unary("/test.Test/Nothing")(b"", timeout=deadline)
    raise AssertionError("not refused")
except grpc.RpcError as error:
    assert error.code() == grpc.StatusCode.UNIMPLEMENTED, error

counted = channel.unary_stream("/test.Test/Count")(b"1000", timeout=deadline)
assert [int(number) for number in counted] == list(range(1000))
collected = channel.stream_unary("/test.Test/Collect")(iter([b"a", b"b", b"c"]), timeout=deadline)
assert collected == b"a,b,c", collected

# Ping-pong: each message is sent only when the last one is back, so nothing may be held back on the way.
outbox = queue.Queue()
echoed = channel.stream_stream("/test.Test/Echo")(iter(outbox.get, None), timeout=deadline)
for number in range(50):
    outbox.put(b"ping %d" % number)
    assert next(echoed) == b"ping %d" % number
outbox.put(None)
assert list(echoed) == []
assert echoed.code() == grpc.StatusCode.OK
print("fine")
