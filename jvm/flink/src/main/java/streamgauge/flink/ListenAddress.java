package streamgauge.flink;

import com.sun.net.httpserver.HttpServer;
import com.sun.net.httpserver.HttpsServer;
import com.sun.net.httpserver.spi.HttpServerProvider;
import java.io.IOException;
import java.net.InetSocketAddress;

/**
 * Keeps the HTTP servers of a JVM to one address, the property streamgauge.listen: Flink's Prometheus reporter can only
 * be given a port and listens on all addresses of the computer.
 *
 * <p>Named to the JVM by the property com.sun.net.httpserver.HttpServerProvider.
 */
public final class ListenAddress extends HttpServerProvider {
  private final HttpServerProvider standard;

  /** Made by the JVM, once, for its first server. */
  public ListenAddress() throws ReflectiveOperationException {
    // The JDK has no public name for its own provider.
    Class<?> provider = Class.forName("sun.net.httpserver.DefaultHttpServerProvider");
    standard = (HttpServerProvider) provider.getConstructor().newInstance();
  }

  @Override
  public HttpServer createHttpServer(InetSocketAddress address, int backlog) throws IOException {
    return standard.createHttpServer(here(address), backlog);
  }

  @Override
  public HttpsServer createHttpsServer(InetSocketAddress address, int backlog) throws IOException {
    return standard.createHttpsServer(here(address), backlog);
  }

  private static InetSocketAddress here(InetSocketAddress address) {
    return new InetSocketAddress(System.getProperty("streamgauge.listen"), address.getPort());
  }
}
