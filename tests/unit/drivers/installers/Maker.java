import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Stands in for a vendor's installer: says what it is and what it sees, makes files, waits or fails, as its arguments
 * tell it. With "keep" it also writes what it has said to said.txt.
 */
public class Maker {
    private static final List<String> said = new ArrayList<>();

    public static void main(String[] arguments) throws IOException, InterruptedException {
        say("arguments " + Arrays.toString(arguments));
        say("java " + Runtime.version().feature() + " home " + System.getProperty("user.home"));
        say("folder " + new File(".").getCanonicalPath());
        for (String word : arguments) {
            if (word.equals("fail")) {
                say("Processor failed, invalid outputs");
                System.exit(3);
            } else if (word.equals("hang")) {
                Files.writeString(Path.of("half"), "made");
                Thread.sleep(1_000_000);
            } else if (word.equals("once-hang")) {
                if (!Files.exists(Path.of("half"))) {
                    new ProcessBuilder("sleep", "1000").start();
                    Files.writeString(Path.of("half"), "made");
                    Thread.sleep(1_000_000);
                }
            } else if (word.startsWith("look:")) {
                File[] seen = new File(word.substring(5)).listFiles();
                say("look " + (seen == null ? "closed" : Integer.toString(seen.length)));
            } else if (word.equals("who")) {
                for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
                    if (line.startsWith("NoNewPrivs") || line.startsWith("CapEff") || line.startsWith("Uid")) {
                        say(line.replaceAll("\\s+", " "));
                    }
                }
            } else if (word.startsWith("make:")) {
                Path path = Path.of(word.substring(5));
                if (path.getParent() != null) {
                    Files.createDirectories(path.getParent());
                }
                Files.writeString(path, "made");
            } else if (word.equals("keep")) {
                Files.write(Path.of("said.txt"), said);
            }
        }
    }

    private static void say(String line) {
        System.out.println(line);
        said.add(line);
    }
}
