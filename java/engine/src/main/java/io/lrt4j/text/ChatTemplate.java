package io.lrt4j.text;

import com.fasterxml.jackson.databind.JsonNode;
import io.lrt4j.CheckpointException;
import io.lrt4j.TemplateException;
import io.lrt4j.TokenizerException;
import io.lrt4j.checkpoint.ModelFiles;
import io.lrt4j.text.template.Template;
import java.nio.file.Path;
import java.time.Clock;
import java.time.ZoneId;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Turns messages into the text that a model was trained to see, by the Jinja template that its
 * checkpoint ships; renders byte for byte as {@code apply_chat_template} of transformers.
 * Immutable, shared by threads.
 */
public final class ChatTemplate {
  private static final String TEMPLATE_FILE = "chat_template.jinja";
  private static final String TEMPLATE_DIRECTORY = "chat_templates";
  private static final String IN_CONFIG = "chat_template in " + TokenizerSettings.CONFIG_FILE;
  private static final String DEFAULT = "default";
  private static final String TOOL_USE = "tool_use";
  private static final int MAX_FILE_BYTES = 64 << 20;

  /** What a template says that knows thinking. */
  private static final Pattern THINKING = Pattern.compile("</?think>|enable_thinking");

  /** What one says that has calls written as {@link ToolCallReader} reads them; and what not. */
  private static final Pattern TOOL_CALLS =
      Pattern.compile("(?s)(?=.*\\btools\\b)(?=.*" + ToolCallReader.OPEN + ")(?!.*<function=).*");

  private final boolean knowsThinking;
  private final boolean knowsTools;
  private final @Nullable Parsed parsed; // or what is wrong with it
  private final @Nullable TemplateException fault;
  private final Map<String, Object> specialTokens;

  /** A template, and the one for messages with tools, which may be the same. */
  private record Parsed(Template template, Template toolTemplate) {}

  /**
   * A template as it is written.
   *
   * @param name what messages call it
   */
  private record Source(String name, String text) {
    Template parse() {
      return Template.parse(name, text);
    }
  }

  private ChatTemplate(
      String source,
      String toolSource,
      @Nullable Parsed parsed,
      @Nullable TemplateException fault,
      Map<String, ?> specialTokens) {
    knowsThinking = THINKING.matcher(source).find();
    knowsTools = TOOL_CALLS.matcher(toolSource).matches();
    this.parsed = parsed;
    this.fault = fault;
    this.specialTokens = Map.copyOf(specialTokens);
  }

  /**
   * Parses a template.
   *
   * @param specialTokens variables it may use: {@code bos_token}, {@code eos_token} …
   * @throws TemplateException if it is no valid template, or uses what is not supported
   */
  public static ChatTemplate of(String source, Map<String, Object> specialTokens) {
    var template = Template.parse("chat template", source);
    return new ChatTemplate(source, source, new Parsed(template, template), null, specialTokens);
  }

  /**
   * Finds a checkpoint's template as transformers does: {@code chat_template.jinja} and {@code
   * chat_templates/*.jinja} win over {@code chat_template} in tokenizer_config.json, which is a
   * template or a list of named ones. Of named ones, {@code tool_use} renders messages with tools,
   * {@code default} all others. One that is not valid, or uses what is not supported, is found all
   * the same, and refuses to {@link #render}: a model can go on with a text without it.
   *
   * @return empty if the checkpoint has none
   * @throws CheckpointException if a template cannot be read
   * @throws TokenizerException if the tokenizer's settings cannot
   */
  public static Optional<ChatTemplate> load(Path directory) {
    return load(ModelFiles.of(directory));
  }

  /** The same among files that are open already. */
  public static Optional<ChatTemplate> load(ModelFiles files) {
    Path directory = files.directory();
    var settings = TokenizerSettings.read(files);
    var sources = templateFiles(files);
    if (sources.isEmpty()) {
      sources = templatesIn(settings.config(), directory.resolve(TokenizerSettings.CONFIG_FILE));
    }
    if (sources.isEmpty()) {
      return Optional.empty();
    }
    Parsed parsed = null;
    TemplateException fault = null;
    try {
      parsed = parse(sources);
    } catch (TemplateException e) {
      fault = new TemplateException(directory + ": " + e.getMessage(), e);
    }
    String source = text(sources, DEFAULT, "");
    return Optional.of(
        new ChatTemplate(
            source, text(sources, TOOL_USE, source), parsed, fault, specialTokens(settings)));
  }

  private static Parsed parse(Map<String, Source> sources) {
    var source = sources.get(DEFAULT);
    if (source == null) {
      throw new TemplateException(
          "expected a chat template named default, found " + sources.keySet());
    }
    var template = source.parse();
    var toolSource = sources.get(TOOL_USE);
    return new Parsed(template, toolSource == null ? template : toolSource.parse());
  }

  private static String text(Map<String, Source> sources, String name, String otherwise) {
    var source = sources.get(name);
    return source == null ? otherwise : source.text();
  }

  /** What is wrong with it, if it cannot be rendered. */
  public Optional<String> fault() {
    return Optional.ofNullable(fault).map(TemplateException::getMessage);
  }

  /** Whether it mentions thinking: {@code <think>}, {@code </think>}, {@code enable_thinking}. */
  public boolean knowsThinking() {
    return knowsThinking;
  }

  /** Whether it tells a model of tools, and has it call them as {@link ToolCallReader} reads it. */
  public boolean knowsTools() {
    return knowsTools;
  }

  /**
   * Renders messages.
   *
   * @param messages maps with {@code role}, {@code content} and what else the template knows
   * @param addGenerationPrompt whether to open the model's turn
   * @param variables further variables: {@code tools}, {@code enable_thinking} …
   * @throws TemplateException if there are no messages, the template refuses them, or it is not
   *     valid
   */
  public String render(
      List<? extends Map<String, ? extends @Nullable Object>> messages,
      boolean addGenerationPrompt,
      Map<String, ? extends @Nullable Object> variables) {
    return render(messages, addGenerationPrompt, variables, Clock.system(ZoneId.systemDefault()));
  }

  /** The same at a given time, for templates that name the date. */
  public String render(
      List<? extends Map<String, ? extends @Nullable Object>> messages,
      boolean addGenerationPrompt,
      Map<String, ? extends @Nullable Object> variables,
      Clock clock) {
    if (messages.isEmpty()) {
      throw new TemplateException("a chat template needs at least one message, found none");
    }
    if (fault != null) {
      throw new TemplateException(fault().orElseThrow(), fault); // with a stack trace of its own
    }
    var valid = Objects.requireNonNull(parsed);
    var all = new HashMap<String, @Nullable Object>(specialTokens);
    all.put("tools", null);
    all.put("documents", null);
    all.putAll(variables);
    all.put("messages", messages);
    all.put("add_generation_prompt", addGenerationPrompt);
    return (all.get("tools") == null ? valid.template : valid.toolTemplate).render(all, clock);
  }

  /** Names and sources of the templates in files of their own. */
  private static Map<String, Source> templateFiles(ModelFiles files) {
    var sources = new LinkedHashMap<String, Source>();
    var file = files.find(TEMPLATE_FILE);
    if (file != null) {
      sources.put(DEFAULT, new Source(TEMPLATE_FILE, ModelFiles.text(file, MAX_FILE_BYTES)));
    }
    for (var template : files.list(TEMPLATE_DIRECTORY, ".jinja")) {
      var name = String.valueOf(template.getFileName());
      sources.put(
          name.substring(0, name.length() - ".jinja".length()),
          new Source(TEMPLATE_DIRECTORY + "/" + name, ModelFiles.text(template, MAX_FILE_BYTES)));
    }
    return sources;
  }

  private static Map<String, Source> templatesIn(JsonNode config, Path file) {
    var sources = new LinkedHashMap<String, Source>();
    var node = config.path("chat_template");
    if (node.isTextual()) {
      sources.put(DEFAULT, new Source(IN_CONFIG, node.textValue()));
    } else if (node.isArray()) {
      for (var entry : node) {
        if (!entry.path("name").isTextual() || !entry.path("template").isTextual()) {
          throw new CheckpointException(
              file + ": expected 'name' and 'template' in every entry of chat_template");
        }
        var name = entry.get("name").textValue();
        sources.put(name, new Source(IN_CONFIG + ", " + name, entry.get("template").textValue()));
      }
    } else if (!node.isMissingNode() && !node.isNull()) {
      throw new CheckpointException(
          file
              + ": expected a string or a list as chat_template, found "
              + node.getNodeType().name().toLowerCase(Locale.ROOT));
    }
    return sources;
  }

  private static Map<String, Object> specialTokens(TokenizerSettings settings) {
    var tokens = new HashMap<String, Object>();
    settings.named().forEach((name, token) -> tokens.put(name, TokenizerSettings.content(token)));
    return tokens;
  }
}
