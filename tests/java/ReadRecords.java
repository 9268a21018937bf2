import java.io.BufferedReader;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.IndexedRecord;
import org.apache.avro.io.BinaryDecoder;
import org.apache.avro.io.DecoderFactory;

/**
 * Reads framed messages with Avro's own reader, and says each cell of each in one exact form.
 *
 * <p>The file has a line a schema, `schema ID JSON`, before the lines of its messages, `message
 * HEX`. What is printed is a line a message: its cells as `name=value`, by tabs.
 */
public final class ReadRecords {
  private static final int FRAME_BYTES = 5;
  private static final HexFormat HEX = HexFormat.of();

  public static void main(String[] arguments) throws IOException {
    Map<Integer, Schema> schemas = new HashMap<>();
    PrintStream out = new PrintStream(System.out, false, StandardCharsets.US_ASCII);
    try (BufferedReader lines = Files.newBufferedReader(Path.of(arguments[0]))) {
      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        String[] words = line.split(" ", 3);
        if (words[0].equals("schema")) {
          schemas.put(Integer.parseInt(words[1]), new Schema.Parser().parse(words[2]));
        } else {
          out.println(read(HEX.parseHex(words[1]), schemas));
        }
      }
    }
    out.flush();
  }

  private static String read(byte[] message, Map<Integer, Schema> schemas) throws IOException {
    int id = ByteBuffer.wrap(message).getInt(1);
    int length = message.length - FRAME_BYTES;
    BinaryDecoder decoder =
        DecoderFactory.get().binaryDecoder(message, FRAME_BYTES, length, null);
    var reader = new GenericDatumReader<IndexedRecord>(schemas.get(id));
    IndexedRecord record = reader.read(null, decoder);
    if (message[0] != 0 || !decoder.isEnd()) {
      throw new IOException("a message is not one datum behind its frame");
    }
    return String.join("\t", cells(record));
  }

  private static List<String> cells(IndexedRecord record) {
    List<String> cells = new ArrayList<>();
    for (Schema.Field field : record.getSchema().getFields()) {
      cells.add(field.name() + "=" + form(record.get(field.pos())));
    }
    return cells;
  }

  private static String form(Object value) {
    if (value instanceof CharSequence text) {
      return "s" + HEX.formatHex(text.toString().getBytes(StandardCharsets.UTF_8));
    } else if (value instanceof ByteBuffer bytes) {
      byte[] all = new byte[bytes.remaining()];
      bytes.duplicate().get(all);
      return "b" + HEX.formatHex(all);
    } else if (value instanceof Float real) {
      return "f" + Integer.toHexString(Float.floatToRawIntBits(real));
    } else if (value instanceof Double real) {
      return "d" + Long.toHexString(Double.doubleToRawLongBits(real));
    } else if (value instanceof Collection<?> items) {
      return "[" + String.join(",", items.stream().map(ReadRecords::form).toList()) + "]";
    } else if (value instanceof Map<?, ?> map) {
      Map<String, String> sorted = new TreeMap<>();
      map.forEach((key, item) -> sorted.put(form(key), form(item)));
      return sorted.toString();
    } else if (value instanceof IndexedRecord record) {
      return "(" + String.join(",", cells(record)) + ")";
    }
    return String.valueOf(value);
  }
}
