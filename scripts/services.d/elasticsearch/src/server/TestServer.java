package local;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.CountDownLatch;

import org.elasticsearch.common.logging.LogConfigurator;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.env.Environment;
import org.elasticsearch.node.InternalSettingsPreparer;
import org.elasticsearch.node.Node;
import org.elasticsearch.plugins.PluginsLoader;

/**
 * Runs one real Elasticsearch node in this JVM, without launcher, security manager and bootstrap checks. Settings come from
 * config/elasticsearch.yml and from key=value arguments, modules from modules/ as in a release.
 */
public final class TestServer {
    public static void main(String[] args) throws Exception {
        Path home = Path.of(System.getProperty("es.path.home"));
        Path config = Path.of(System.getProperty("es.path.conf"));
        Settings.Builder given = Settings.builder().put(Environment.PATH_HOME_SETTING.getKey(), home.toString());
        for (String arg : args) {
            int equals = arg.indexOf('=');
            if (equals < 1) throw new IllegalArgumentException("Cannot use setting \"" + arg + "\": it must be key=value");
            given.put(arg.substring(0, equals), arg.substring(equals + 1));
        }
        LogConfigurator.registerErrorListener();
        LogConfigurator.configureESLogging();
        LogConfigurator.setNodeName("tests");
        Environment environment = InternalSettingsPreparer.prepareEnvironment(given.build(), Map.of(), config, () -> "tests");
        LogConfigurator.configure(environment, true);

        PluginsLoader plugins = PluginsLoader.createPluginsLoader(
            PluginsLoader.loadModulesBundles(environment.modulesDir()),
            PluginsLoader.loadPluginsBundles(environment.pluginsDir()),
            Map.of(),
            false // the server is on the class path, so it is no named module that could export to others
        );
        CountDownLatch closed = new CountDownLatch(1);
        Node node = new Node(environment, plugins);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> close(node, closed), "close"));
        if (Boolean.getBoolean("local.ends.with.stdin")) endWithStdin();
        node.start();
        closed.await();
    }

    private static void close(Node node, CountDownLatch closed) {
        try {
            node.prepareForClose();
            node.close();
        } catch (IOException e) {
            e.printStackTrace();
        } finally {
            closed.countDown();
        }
    }

    /** Ends this process when whoever holds the other end of its standard input is gone, even by kill -9. */
    private static void endWithStdin() {
        Thread watch = new Thread(() -> {
            try {
                while (System.in.read() >= 0);
            } catch (IOException e) {
                // The same as its end.
            }
            System.exit(0);
        }, "stdin");
        watch.setDaemon(true);
        watch.start();
    }
}
