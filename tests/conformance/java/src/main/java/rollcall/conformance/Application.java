package rollcall.conformance;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import org.apache.skywalking.apm.agent.core.boot.ServiceManager;
import org.apache.skywalking.apm.agent.core.conf.SnifferConfigInitializer;
import org.apache.skywalking.apm.agent.core.context.ContextManager;
import org.apache.skywalking.apm.agent.core.context.trace.SpanLayer;
import org.apache.skywalking.apm.agent.core.plugin.loader.AgentClassLoader;

/**
 * An application observed by the unmodified agent: starts the agent's services the way its {@code premain} does, without the bytecode instrumentation,
 * and then does what standard input says until that ends.
 *
 * <p>Input, one command a line: {@code call OPERATION PEER} serves one request named OPERATION that calls PEER ({@code host:port}) once.
 *
 * <p>Output: the lines of {@link Reporter}. The agent's own early log goes to the same stream.
 */
public final class Application {
    private Application() {
    }

    public static void main(String[] arguments) throws Exception {
        SnifferConfigInitializer.initialize();
        AgentClassLoader.initDefaultLoader();
        ServiceManager.INSTANCE.boot();

        BufferedReader input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            String[] words = line.split(" ");
            if (words.length != 3 || !words[0].equals("call")) {
                System.err.println("unknown command: " + line);
                System.exit(64);
            }
            call(words[1], words[2]);
        }
        ServiceManager.INSTANCE.shutdown();
        System.exit(0);
    }

    private static void call(String operation, String peer) {
        SpanLayer.asHttp(ContextManager.createEntrySpan(operation, null));
        SpanLayer.asHttp(ContextManager.createExitSpan(operation, peer));
        ContextManager.stopSpan();
        ContextManager.stopSpan();
        Reporter.watch(operation, peer);
    }
}
