// A stand-in for the server jar of Minecraft's makers, which tests cannot have: it keeps the same files, options and
// console, and has flying-squid play the game.
//
// Usage: java -jar server.jar nogui   (server.properties and eula.txt in the working directory)
// The jar's file "game" has two lines: flying-squid's launch script, and the version to play.
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalTime;
import java.time.format.DateTimeFormatter;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

public class Vanilla {
    private static final DateTimeFormatter CLOCK = DateTimeFormatter.ofPattern("HH:mm:ss");
    private static final Pattern SAID = Pattern.compile("^(?:\\u001b\\[[0-9;]*[A-Za-z]|> )*[A-Z][a-z]+ \\d+[a-z]{2} \\d{4}, \\d\\d:\\d\\d:\\d\\d \\[(\\w+)\\]: (.*)$");
    private static final Pattern JOINED = Pattern.compile("^(\\w{1,16}) \\([0-9a-fA-F.:%]+\\) connected$");
    private static PrintStream log;
    private static final Pattern LEFT = Pattern.compile("^(\\w{1,16}) disconnected$");

    public static void main(String[] arguments) throws IOException, InterruptedException {
        String[] game;
        try (InputStream file = Vanilla.class.getResourceAsStream("/game")) {
            game = new String(file.readAllBytes(), StandardCharsets.UTF_8).split("\n");
        }
        Files.createDirectories(Path.of("logs"));
        log = new PrintStream(Files.newOutputStream(Path.of("logs", "latest.log")), true, StandardCharsets.UTF_8);
        say("ServerMain", "INFO", "Starting minecraft server version " + game[1]);
        Path agreement = Path.of("eula.txt");
        if (!Files.exists(agreement) || !Files.readString(agreement).contains("eula=true")) {
            say("ServerMain", "INFO", "You need to agree to the EULA in order to run the server. Go to eula.txt for more info.");
            return;
        }
        Process squid = new ProcessBuilder(List.of("node", "--max-old-space-size=256", game[0], game[1]))
            .redirectErrorStream(true).start();
        Runtime.getRuntime().addShutdownHook(new Thread(squid::destroy));
        Thread typing = new Thread(() -> passOn(squid));
        typing.setDaemon(true);
        typing.start();
        BufferedReader lines = new BufferedReader(new InputStreamReader(squid.getInputStream(), StandardCharsets.UTF_8));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            tell(line);
        }
        System.exit(squid.waitFor());
    }

    private static void passOn(Process squid) {
        PrintStream console = new PrintStream(squid.getOutputStream(), true, StandardCharsets.UTF_8);
        BufferedReader typed = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        try {
            for (String line = typed.readLine(); line != null; line = typed.readLine()) {
                if (line.equals("stop")) {
                    say("Server thread", "INFO", "Stopping the server");
                }
                console.println(line);
            }
        } catch (IOException error) {
            say("Server console handler", "ERROR", error.getMessage());
        }
    }

    private static void tell(String line) {
        Matcher said = SAID.matcher(line);
        if (!said.matches()) {
            say("Server thread", "INFO", line);
            return;
        }
        String text = said.group(2);
        text = JOINED.matcher(text).replaceFirst("$1 joined the game");
        text = LEFT.matcher(text).replaceFirst("$1 left the game");
        say("Server thread", said.group(1), text);
    }

    private static synchronized void say(String thread, String level, String text) {
        String line = "[" + CLOCK.format(LocalTime.now()) + "] [" + thread + "/" + level + "]: " + text;
        System.out.println(line);
        if (log != null) {
            log.println(line);
        }
    }
}
