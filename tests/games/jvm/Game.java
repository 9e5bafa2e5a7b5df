// A game server for tests in a real Java virtual machine: it has a heap that grows and shrinks as it is told.
//
// Usage: java -Xmx…m Game.java ADDRESS PORT
// On its console: help, say TEXT, list, tick query, lag MS, eat MIB, forget, gc, stop.
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;

public class Game {
    private static final double TARGET_MS = 50;
    private static final int TICKS_KEPT = 100;
    private static final int BLOCK = 64 * 1024; // far below a half region of G1, which would treat it as huge
    private static final int MIB = 1024 * 1024;

    private final List<byte[]> eaten = new ArrayList<>();
    private final double[] tookMs = new double[TICKS_KEPT];
    private int ticks;
    private volatile long lagMs;

    public static void main(String[] arguments) throws IOException {
        long started = System.nanoTime();
        Game game = new Game();
        ServerSocket door = new ServerSocket(Integer.parseInt(arguments[1]), 50, InetAddress.getByName(arguments[0]));
        daemon("door", () -> letIn(door)).start();
        Executors.newSingleThreadScheduledExecutor(work -> daemon("tick", work))
            .scheduleAtFixedRate(game::tick, 0, (long) TARGET_MS, TimeUnit.MILLISECONDS);
        say("Listening on %s:%d", arguments[0], door.getLocalPort());
        say("Done (%.1fs)! For help, type \"help\"", (System.nanoTime() - started) / 1e9);
        BufferedReader console = new BufferedReader(new InputStreamReader(System.in));
        for (String line = console.readLine(); line != null && !line.equals("stop"); line = console.readLine()) {
            game.obey(line.strip());
        }
        say("Stopping the server");
        System.exit(0);
    }

    private static Thread daemon(String name, Runnable work) {
        Thread thread = new Thread(work, name);
        thread.setDaemon(true);
        return thread;
    }

    private static void letIn(ServerSocket door) {
        while (true) {
            try {
                door.accept().close();
            } catch (IOException error) {
                say("A connection failed: %s", error.getMessage());
            }
        }
    }

    private static void say(String text, Object... values) {
        System.out.println(String.format(Locale.ROOT, text, values));
    }

    private void tick() {
        long begun = System.nanoTime();
        try {
            Thread.sleep(lagMs);
        } catch (InterruptedException error) {
            Thread.currentThread().interrupt();
        }
        synchronized (tookMs) {
            tookMs[ticks++ % TICKS_KEPT] = (System.nanoTime() - begun) / 1e6;
        }
    }

    private void obey(String line) {
        String[] words = line.split(" ", 2);
        String rest = words.length > 1 ? words[1] : "";
        try {
            switch (words[0]) {
                case "help" -> say("Commands: help, say, list, tick query, lag, eat, forget, gc, stop");
                case "say" -> say("[Server] %s", rest);
                case "list" -> say("There are 0 of a max of 20 players online:");
                case "tick" -> tellTicks();
                case "lag" -> lag(Long.parseLong(rest));
                case "eat" -> eat(Integer.parseInt(rest));
                case "forget" -> forget();
                case "gc" -> collect();
                case "" -> { }
                default -> say("Unknown or incomplete command");
            }
        } catch (NumberFormatException error) {
            say("Expected a whole number");
        } catch (OutOfMemoryError error) {
            eaten.clear();
            say("Out of memory: forgot everything");
        }
    }

    private void tellTicks() {
        double sum = 0;
        int count;
        synchronized (tookMs) {
            count = Math.min(ticks, TICKS_KEPT);
            for (int i = 0; i < count; i++) {
                sum += tookMs[i];
            }
        }
        if (count == 0) {
            say("The game has not run a whole tick yet");
            return;
        }
        say("The game is running normally");
        say("Target tick rate: %.1f per second (%.1f ms/tick)", 1000 / TARGET_MS, TARGET_MS);
        say("Average time per tick: %.1fms (Target: %.1fms)", sum / count, TARGET_MS);
    }

    private void lag(long ms) {
        lagMs = Math.max(0, ms);
        synchronized (tookMs) {
            ticks = 0;
        }
        say("Each tick takes %d ms now", lagMs);
    }

    private void eat(int mib) {
        for (int i = 0; i < mib * (MIB / BLOCK); i++) {
            eaten.add(new byte[BLOCK]);
        }
        say("Ate %d MiB", mib);
    }

    private void forget() {
        eaten.clear();
        say("Forgot everything");
    }

    private void collect() {
        System.gc();
        Runtime runtime = Runtime.getRuntime();
        say("Heap: %d of %d MiB", (runtime.totalMemory() - runtime.freeMemory()) / MIB, runtime.maxMemory() / MIB);
    }
}
