package io.lrt4j.text;

import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.core.json.JsonReadFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectReader;
import com.fasterxml.jackson.databind.json.JsonMapper;
import io.lrt4j.CheckpointException;
import io.lrt4j.TemplateException;
import io.lrt4j.checkpoint.ModelFiles;
import io.lrt4j.text.template.Template;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Clock;
import java.time.ZoneId;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
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
  private static final String CONFIG_FILE = "tokenizer_config.json";
  private static final String TOKENS_FILE = "special_tokens_map.json";
  private static final String DEFAULT = "default";
  private static final String TOOL_USE = "tool_use";
  private static final int MAX_FILE_BYTES = 64 << 20;

  private static final ObjectReader JSON =
      JsonMapper.builder()
          .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
          .enable(JsonReadFeature.ALLOW_NON_NUMERIC_NUMBERS) // Python writes them
          .build()
          .reader();

  /** What a template says that knows thinking. */
  private static final Pattern THINKING = Pattern.compile("</?think>|enable_thinking");

  private final boolean knowsThinking;
  private final Template template;
  private final Template toolTemplate;
  private final Map<String, Object> specialTokens;

  private ChatTemplate(
      boolean knowsThinking,
      Template template,
      Template toolTemplate,
      Map<String, ?> specialTokens) {
    this.knowsThinking = knowsThinking;
    this.template = template;
    this.toolTemplate = toolTemplate;
    this.specialTokens = Map.copyOf(specialTokens);
  }

  /**
   * Parses a template.
   *
   * @param specialTokens variables it may use: {@code bos_token}, {@code eos_token} …
   * @throws TemplateException if it is no valid template, or uses what is not supported
   */
  public static ChatTemplate of(String source, Map<String, Object> specialTokens) {
    var template = Template.parse(source);
    return new ChatTemplate(THINKING.matcher(source).find(), template, template, specialTokens);
  }

  /**
   * Finds a checkpoint's template as transformers does: {@code chat_template.jinja} and {@code
   * chat_templates/*.jinja} win over {@code chat_template} in tokenizer_config.json, which is a
   * template or a list of named ones. Of named ones, {@code tool_use} renders messages with tools,
   * {@code default} all others.
   *
   * @return empty if the checkpoint has none
   * @throws CheckpointException if one of these files cannot be read
   * @throws TemplateException if the template is not valid, or uses what is not supported
   */
  public static Optional<ChatTemplate> load(Path directory) {
    return load(ModelFiles.of(directory));
  }

  /** The same among files that are open already. */
  public static Optional<ChatTemplate> load(ModelFiles files) {
    Path directory = files.directory();
    var config = readJson(files.find(CONFIG_FILE));
    var sources = templateFiles(files);
    if (sources.isEmpty() && config != null) {
      sources = templatesIn(config, directory.resolve(CONFIG_FILE));
    }
    if (sources.isEmpty()) {
      return Optional.empty();
    }
    var source = sources.get(DEFAULT);
    if (source == null) {
      throw new TemplateException(
          directory + ": expected a chat template named default, found " + sources.keySet());
    }
    var template = Template.parse(source);
    var toolSource = sources.get(TOOL_USE);
    return Optional.of(
        new ChatTemplate(
            THINKING.matcher(source).find(),
            template,
            toolSource == null ? template : Template.parse(toolSource),
            specialTokens(files, config)));
  }

  /** Whether it mentions thinking: {@code <think>}, {@code </think>}, {@code enable_thinking}. */
  public boolean knowsThinking() {
    return knowsThinking;
  }

  /**
   * Renders messages.
   *
   * @param messages maps with {@code role}, {@code content} and what else the template knows
   * @param addGenerationPrompt whether to open the model's turn
   * @param variables further variables: {@code tools}, {@code enable_thinking} …
   * @throws TemplateException if there are no messages, or the template refuses them
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
    var all = new HashMap<String, @Nullable Object>(specialTokens);
    all.put("tools", null);
    all.put("documents", null);
    all.putAll(variables);
    all.put("messages", messages);
    all.put("add_generation_prompt", addGenerationPrompt);
    return (all.get("tools") == null ? template : toolTemplate).render(all, clock);
  }

  /** Names and sources of the templates in files of their own. */
  private static Map<String, String> templateFiles(ModelFiles files) {
    var sources = new LinkedHashMap<String, String>();
    var file = files.find(TEMPLATE_FILE);
    if (file != null) {
      sources.put(DEFAULT, ModelFiles.text(file, MAX_FILE_BYTES));
    }
    for (var template : files.list(TEMPLATE_DIRECTORY, ".jinja")) {
      var name = String.valueOf(template.getFileName());
      sources.put(
          name.substring(0, name.length() - ".jinja".length()),
          ModelFiles.text(template, MAX_FILE_BYTES));
    }
    return sources;
  }

  private static Map<String, String> templatesIn(JsonNode config, Path file) {
    var sources = new LinkedHashMap<String, String>();
    var node = config.path("chat_template");
    if (node.isTextual()) {
      sources.put(DEFAULT, node.textValue());
    } else if (node.isArray()) {
      for (var entry : node) {
        if (!entry.path("name").isTextual() || !entry.path("template").isTextual()) {
          throw new CheckpointException(
              file + ": expected 'name' and 'template' in every entry of chat_template");
        }
        sources.put(entry.get("name").textValue(), entry.get("template").textValue());
      }
    } else if (!node.isMissingNode() && !node.isNull()) {
      throw new CheckpointException(
          file
              + ": expected a string or a list as chat_template, found "
              + node.getNodeType().name().toLowerCase(Locale.ROOT));
    }
    return sources;
  }

  private static Map<String, Object> specialTokens(ModelFiles files, @Nullable JsonNode config) {
    var tokens = new HashMap<String, Object>();
    if (config != null) {
      addTokens(config, tokens);
    }
    // The older file counts only where the config does not list its added tokens.
    if (config == null || !config.has("added_tokens_decoder")) {
      var map = readJson(files.find(TOKENS_FILE));
      if (map != null) {
        addTokens(map, tokens);
      }
    }
    return tokens;
  }

  /** Every {@code *_token}, and the named extra ones: strings, or objects with their content. */
  private static void addTokens(JsonNode node, Map<String, Object> tokens) {
    for (var field : node.properties()) {
      var name = field.getKey();
      if (name.equals("extra_special_tokens") && field.getValue().isObject()) {
        field.getValue().properties().forEach(e -> addToken(e.getKey(), e.getValue(), tokens));
      } else if (name.endsWith("_token")) {
        addToken(name, field.getValue(), tokens);
      }
    }
  }

  private static void addToken(String name, JsonNode token, Map<String, Object> tokens) {
    var content = token.isObject() ? token.path("content") : token;
    if (content.isTextual()) {
      tokens.put(name, content.textValue());
    }
  }

  private static @Nullable JsonNode readJson(@Nullable Path file) {
    if (file == null) {
      return null;
    }
    try {
      var root = JSON.readTree(ModelFiles.text(file, MAX_FILE_BYTES));
      if (!root.isObject()) {
        throw new CheckpointException(file + ": expected a JSON object");
      }
      return root;
    } catch (IOException e) {
      throw new CheckpointException(
          file
              + " is not valid JSON: "
              + String.valueOf(e.getMessage()).lines().findFirst().orElse(""),
          e);
    }
  }
}
