import io.grpc.CallOptions;
import io.grpc.ClientCall;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.MethodDescriptor.MethodType;
import io.grpc.Status;
import io.grpc.netty.NettyChannelBuilder;
import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/** Moves bytes through grpc-java as it is told on standard input; see foreign-client.ts for the commands. */
public class Driver {
  private static final char[] DIGITS = "0123456789abcdef".toCharArray();

  private static final MethodDescriptor.Marshaller<byte[]> BYTES =
      new MethodDescriptor.Marshaller<byte[]>() {
        @Override
        public InputStream stream(byte[] value) {
          return new ByteArrayInputStream(value);
        }

        @Override
        public byte[] parse(InputStream stream) {
          try {
            return stream.readAllBytes();
          } catch (IOException error) {
            throw new IllegalStateException(error);
          }
        }
      };

  public static void main(String[] args) throws Exception {
    ManagedChannel channel =
        NettyChannelBuilder.forTarget(args[0])
            .usePlaintext()
            .disableRetry()
            .maxInboundMessageSize(Integer.MAX_VALUE)
            .build();
    Map<String, ClientCall<byte[], byte[]>> calls = new HashMap<>();
    say("ready grpc-java");
    BufferedReader input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII));
    for (String line = input.readLine(); line != null; line = input.readLine()) {
      String[] words = line.split(" ");
      String number = words[1];
      switch (words[0]) {
        case "unary" -> {
          ClientCall<byte[], byte[]> call = start(channel, calls, MethodType.UNARY, number, words[2], words[4], words[5]);
          call.sendMessage(fromHex(words[3]));
          call.halfClose();
        }
        case "server" -> {
          ClientCall<byte[], byte[]> call =
              start(channel, calls, MethodType.SERVER_STREAMING, number, words[2], "-", words[4]);
          call.sendMessage(fromHex(words[3]));
          call.halfClose();
        }
        case "open" -> start(channel, calls, MethodType.BIDI_STREAMING, number, words[2], "-", words[3]);
        case "send" -> calls.get(number).sendMessage(fromHex(words[2]));
        case "half" -> calls.get(number).halfClose();
        case "cancel" -> calls.get(number).cancel("as told", null);
        default -> throw new IllegalArgumentException(line);
      }
    }
    channel.shutdownNow();
  }

  private static ClientCall<byte[], byte[]> start(
      ManagedChannel channel,
      Map<String, ClientCall<byte[], byte[]>> calls,
      MethodType type,
      String number,
      String path,
      String timeoutMs,
      String metadata) {
    MethodDescriptor<byte[], byte[]> method =
        MethodDescriptor.newBuilder(BYTES, BYTES).setType(type).setFullMethodName(path.substring(1)).build();
    CallOptions options = CallOptions.DEFAULT;
    if (!timeoutMs.equals("-")) options = options.withDeadlineAfter(Long.parseLong(timeoutMs), TimeUnit.MILLISECONDS);
    ClientCall<byte[], byte[]> call = channel.newCall(method, options);
    calls.put(number, call);
    call.start(new Listener(call, number, type == MethodType.UNARY), metadataOf(metadata));
    call.request(type == MethodType.UNARY ? 2 : 1);
    return call;
  }

  private static final class Listener extends ClientCall.Listener<byte[]> {
    private final ClientCall<byte[], byte[]> call;
    private final String number;
    private final boolean unary;
    private byte[] response = new byte[0];

    Listener(ClientCall<byte[], byte[]> call, String number, boolean unary) {
      this.call = call;
      this.number = number;
      this.unary = unary;
    }

    @Override
    public void onMessage(byte[] message) {
      if (unary) {
        response = message;
        return;
      }
      say("message " + number + " " + toHex(message));
      call.request(1);
    }

    @Override
    public void onClose(Status status, Metadata trailers) {
      String text = status.getDescription() == null ? "" : status.getDescription();
      byte[] rest = status.isOk() ? response : text.getBytes(StandardCharsets.UTF_8);
      say("end " + number + " " + status.getCode().value() + " " + toHex(rest));
    }
  }

  private static Metadata metadataOf(String text) {
    Metadata metadata = new Metadata();
    if (text.equals("-")) return metadata;
    for (String field : text.split(",")) {
      String[] pair = field.split("=", 2);
      metadata.put(Metadata.Key.of(pair[0], Metadata.ASCII_STRING_MARSHALLER), pair[1]);
    }
    return metadata;
  }

  private static synchronized void say(String line) {
    System.out.println(line);
    System.out.flush();
  }

  private static String toHex(byte[] bytes) {
    if (bytes.length == 0) return "-";
    StringBuilder text = new StringBuilder(bytes.length * 2);
    for (byte each : bytes) text.append(DIGITS[(each >> 4) & 15]).append(DIGITS[each & 15]);
    return text.toString();
  }

  private static byte[] fromHex(String text) {
    if (text.equals("-")) return new byte[0];
    byte[] bytes = new byte[text.length() / 2];
    for (int i = 0; i < bytes.length; i++) {
      bytes[i] = (byte) Integer.parseInt(text, 2 * i, 2 * i + 2, 16);
    }
    return bytes;
  }
}
