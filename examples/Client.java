import java.io.IOException;
import java.io.UncheckedIOException;
import java.math.BigDecimal;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpTimeoutException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.time.format.DateTimeParseException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * Calls the scoring routes from Java 17 or newer, without a library, from the folder of the project:
 * {@code URL=http://127.0.0.1:3000 java examples/Client.java [application.json]}.
 */
public final class Client {
    /** Most times that a request is sent. */
    private static final int TRIES = 4;

    /** Longest time for all tries of a request and the waits between them. */
    private static final Duration LONGEST = Duration.ofSeconds(30);

    private static final Set<Integer> ASKED_TO_WAIT = Set.of(429, 503);

    private final HttpClient http =
            HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).connectTimeout(Duration.ofSeconds(5)).build();
    private final String url;

    private Client(String url) {
        this.url = url;
    }

    /** An answer that is no decision, or none at all. */
    private static final class RefusedException extends Exception {
        private static final long serialVersionUID = 1;

        RefusedException(String message) {
            super(message);
        }
    }

    public static void main(String[] arguments) throws Exception {
        String url = System.getenv().getOrDefault("URL", "http://127.0.0.1:3000");
        Path file = Path.of(arguments.length > 0 ? arguments[0] : "examples/application.json");
        try {
            new Client(url).run(Files.readString(file));
        } catch (RefusedException refused) {
            System.err.println(refused.getMessage());
            System.exit(1);
        }
    }

    private void run(String application) throws RefusedException, InterruptedException {
        print(post("/predict", application));

        String bad = application.replaceFirst("\"loan_grade\": *\"B\"", "\"loan_grade\": \"Z\"");
        String rows = "[" + application + "," + bad + "]";
        Map<?, ?> batch = (Map<?, ?>) post("/predict/batch?partial=true", rows);
        ((List<?>) batch.get("results")).forEach(Client::print);

        try {
            post("/predict", bad);
        } catch (RefusedException refused) {
            System.err.println(refused.getMessage());
        }
    }

    /** Prints a row: its decision, or what is wrong with it. */
    private static void print(Object answer) {
        Map<?, ?> row = (Map<?, ?>) answer;
        if (row.get("errors") instanceof List<?> errors) {
            errors.forEach(error -> System.out.println(((Map<?, ?>) error).get("loc") + " " + ((Map<?, ?>) error).get("msg")));
        } else {
            System.out.println(row.get("decision") + " " + row.get("probability_of_default"));
        }
    }

    /**
     * The answer to a document. It is sent again where the service asks for it, and where the connection was lost;
     * scoring changes nothing, so that is safe. It is not sent again after a timeout, which would only add to the load.
     */
    private Object post(String route, String document) throws RefusedException, InterruptedException {
        String id = "example-" + UUID.randomUUID(); // the same for all tries; it stands in the service's log
        Instant end = Instant.now().plus(LONGEST);
        for (int tries = 1; ; tries++) {
            Duration left = Duration.between(Instant.now(), end);
            HttpRequest request =
                    HttpRequest.newBuilder(URI.create(url + route))
                            .timeout(left.compareTo(Duration.ofMillis(1)) > 0 ? left : Duration.ofMillis(1))
                            .header("Content-Type", "application/json")
                            .header("X-Request-ID", id)
                            .POST(HttpRequest.BodyPublishers.ofString(document))
                            .build();
            String retryAfter = "";
            RefusedException failure;
            try {
                HttpResponse<String> response = send(request);
                if (response.statusCode() == 200) {
                    try {
                        return new Json(response.body()).document();
                    } catch (UncheckedIOException | NumberFormatException | IndexOutOfBoundsException page) {
                        throw new RefusedException("200 not from the service, request id " + id);
                    }
                }
                String type = response.headers().firstValue("Content-Type").orElse("");
                boolean problem = type.startsWith("application/problem+json");
                failure = new RefusedException(response.statusCode() + " " + (problem ? response.body() : "request id " + id));
                if (!ASKED_TO_WAIT.contains(response.statusCode())) {
                    throw failure;
                }
                retryAfter = response.headers().firstValue("Retry-After").orElse("");
            } catch (IOException lost) {
                failure = new RefusedException(url + ": " + lost + " (request id " + id + ", try " + tries + ")");
                if (lost instanceof HttpTimeoutException) {
                    throw failure;
                }
            }
            // What was asked, and a random part that doubles, lest all who were refused come back at once.
            Duration wait = asked(retryAfter).plusMillis(ThreadLocalRandom.current().nextLong(100, 250L << tries));
            if (tries == TRIES || Instant.now().plus(wait).isAfter(end)) {
                throw failure;
            }
            Thread.sleep(wait.toMillis());
        }
    }

    /** The answer, read whole: a request's timeout ends with the head, and a body may trickle. */
    private HttpResponse<String> send(HttpRequest request) throws IOException, InterruptedException {
        CompletableFuture<HttpResponse<String>> answer =
                http.sendAsync(request, HttpResponse.BodyHandlers.ofString(StandardCharsets.UTF_8));
        try {
            return answer.get(request.timeout().orElse(LONGEST).toMillis(), TimeUnit.MILLISECONDS);
        } catch (TimeoutException late) {
            answer.cancel(true);
            throw new HttpTimeoutException("the answer has not ended in time");
        } catch (ExecutionException failed) {
            if (failed.getCause() instanceof IOException lost) {
                throw lost;
            }
            throw new IllegalStateException(failed.getCause());
        }
    }

    /** What a Retry-After header asks for, be it seconds or a date; zero where there is none that can be read. */
    private static Duration asked(String retryAfter) {
        String text = retryAfter.strip();
        if (text.matches("\\d+")) {
            // What doesn't fit into nine digits is as far beyond the longest wait.
            return Duration.ofSeconds(text.length() > 9 ? 999_999_999 : Long.parseLong(text));
        }
        try {
            Instant when = ZonedDateTime.parse(text, DateTimeFormatter.RFC_1123_DATE_TIME).toInstant();
            Duration wait = Duration.between(Instant.now(), when);
            return wait.isNegative() ? Duration.ZERO : wait;
        } catch (DateTimeParseException unreadable) {
            return Duration.ZERO;
        }
    }

    /** Reads JSON, which Java's library can't: maps, lists, strings, and numbers with every digit that was sent. */
    private static final class Json {
        private final String text;
        private int at;

        Json(String text) {
            this.text = text;
        }

        Object document() {
            Object value = value();
            if (next() != 0) {
                throw wrong();
            }
            return value;
        }

        private Object value() {
            char first = next();
            if (first == '{') {
                Map<String, Object> members = new LinkedHashMap<>();
                for (at++; next() != '}'; skip(',', '}')) {
                    String name = string();
                    skip(':', ':');
                    members.put(name, value());
                }
                at++;
                return members;
            }
            if (first == '[') {
                List<Object> items = new ArrayList<>();
                for (at++; next() != ']'; skip(',', ']')) {
                    items.add(value());
                }
                at++;
                return items;
            }
            if (first == '"') {
                return string();
            }
            int start = at;
            while (at < text.length() && ",]} \t\r\n".indexOf(text.charAt(at)) < 0) {
                at++;
            }
            String word = text.substring(start, at);
            return switch (word) {
                case "true" -> true;
                case "false" -> false;
                case "null" -> null;
                default -> new BigDecimal(word);
            };
        }

        private String string() {
            StringBuilder read = new StringBuilder();
            if (next() != '"') {
                throw wrong();
            }
            for (at++; text.charAt(at) != '"'; at++) {
                if (text.charAt(at) != '\\') {
                    read.append(text.charAt(at));
                    continue;
                }
                char escaped = text.charAt(++at);
                switch (escaped) {
                    case 'u' -> {
                        read.append((char) Integer.parseInt(text.substring(at + 1, at + 5), 16));
                        at += 4;
                    }
                    case 'b' -> read.append('\b');
                    case 'f' -> read.append('\f');
                    case 'n' -> read.append('\n');
                    case 'r' -> read.append('\r');
                    case 't' -> read.append('\t');
                    default -> read.append(escaped);
                }
            }
            at++;
            return read.toString();
        }

        /** The next character that is no white space, which stays; 0 at the end. */
        private char next() {
            while (at < text.length() && Character.isWhitespace(text.charAt(at))) {
                at++;
            }
            return at < text.length() ? text.charAt(at) : 0;
        }

        /** Goes past a separator, but not past what closes. */
        private void skip(char separator, char closing) {
            char found = next();
            if (found == separator) {
                at++;
            } else if (found != closing) {
                throw wrong();
            }
        }

        private UncheckedIOException wrong() {
            return new UncheckedIOException(new IOException("no JSON at character " + at + " of the answer"));
        }
    }
}
