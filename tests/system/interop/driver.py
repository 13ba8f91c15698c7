"""Moves bytes through grpc-python as it is told on standard input; see foreign-client.ts for the commands."""

import sys
import threading

import grpc

OUTPUT = threading.Lock()


def say(*fields):
    with OUTPUT:
        print(*fields, flush=True)


def to_hex(data):
    return data.hex() or "-"


def from_hex(text):
    return b"" if text == "-" else bytes.fromhex(text)


def metadata_of(text):
    return [] if text == "-" else [tuple(field.split("=", 1)) for field in text.split(",")]


def outcome(error):
    return error.code().value[0], to_hex((error.details() or "").encode())


class Requests:
    """The client's side of a stream: an iterator that waits for the next message."""

    def __init__(self):
        self.waiting = []
        self.changed = threading.Condition()

    def put(self, item):
        with self.changed:
            self.waiting.append(item)
            self.changed.notify()

    def __iter__(self):
        return self

    def __next__(self):
        with self.changed:
            while not self.waiting:
                self.changed.wait()
            item = self.waiting.pop(0)
        if item is None:
            raise StopIteration
        return item


def read_stream(number, call):
    try:
        for message in call:
            say("message", number, to_hex(message))
        say("end", number, 0, "-")
    except grpc.RpcError as error:
        say("end", number, *outcome(error))


def finished(number, future):
    try:
        say("end", number, 0, to_hex(future.result()))
    except grpc.FutureCancelledError:
        say("end", number, 1, "-")
    except grpc.RpcError as error:
        say("end", number, *outcome(error))


def main():
    endpoint, keepalive_ms = sys.argv[1], int(sys.argv[2])
    options = [("grpc.max_receive_message_length", -1), ("grpc.enable_retries", 0)]
    if keepalive_ms > 0:
        options += [
            ("grpc.keepalive_time_ms", keepalive_ms),
            ("grpc.keepalive_permit_without_calls", 1),
            ("grpc.http2.max_pings_without_data", 0),
            ("grpc.http2.min_time_between_pings_ms", keepalive_ms),
            ("grpc.http2.min_sent_ping_interval_without_data_ms", keepalive_ms),
        ]
    channel = grpc.insecure_channel(endpoint, options=options)
    calls, requests = {}, {}
    say("ready", grpc.__version__)
    for line in sys.stdin:
        verb, number, *rest = line.split()
        if verb == "unary":
            path, body, timeout_ms, metadata = rest
            timeout = int(timeout_ms) / 1000 if timeout_ms != "-" else None
            method = channel.unary_unary(path)
            future = method.future(from_hex(body), timeout=timeout, metadata=metadata_of(metadata))
            calls[number] = future
            future.add_done_callback(lambda done, number=number: finished(number, done))
        elif verb == "server":
            path, body, metadata = rest
            call = channel.unary_stream(path)(from_hex(body), metadata=metadata_of(metadata))
            calls[number] = call
            threading.Thread(target=read_stream, args=(number, call), daemon=True).start()
        elif verb == "open":
            path, metadata = rest
            requests[number] = Requests()
            call = channel.stream_stream(path)(requests[number], metadata=metadata_of(metadata))
            calls[number] = call
            threading.Thread(target=read_stream, args=(number, call), daemon=True).start()
        elif verb == "send":
            requests[number].put(from_hex(rest[0]))
        elif verb == "half":
            requests[number].put(None)
        elif verb == "cancel":
            calls[number].cancel()
    channel.close()


main()
