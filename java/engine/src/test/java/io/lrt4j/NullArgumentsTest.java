package io.lrt4j;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.reflect.Constructor;
import java.lang.reflect.Executable;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.Parameter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Flow;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/** Null, where it means nothing, is refused by the argument's name. */
class NullArgumentsTest {
  /** Null is nobody, the default, and equal to nothing. */
  private static final Set<Class<?>> LENIENT =
      Set.of(TokenListener.class, Mode.class, Object.class);

  private static final Question QUESTION = Question.of("What is 12+30?");

  private final List<String> checked = new ArrayList<>();

  @Test
  void areNamed() throws ReflectiveOperationException {
    GenerationOptions options = GenerationOptions.unset();
    try (Engine engine = TestModels.engine("scalar")) {
      check(Engine.class, engine);
      check(AnswerStream.class, engine.stream(QUESTION));
      check(EngineOptions.class, EngineOptions.defaults());
      check(GenerationOptions.class, options);
      check(Question.class, QUESTION);
      check(Question.Message.class, QUESTION.messages().getFirst());
      check(Tool.class, new Tool("name", "", "{}"));
      check(ToolChoice.class, ToolChoice.AUTO);
      check(ToolCall.class, new ToolCall("name", "{}"));
    }
    assertTrue(checked.size() > 40, checked.toString());
    assertElementNamed("messages[1]", () -> Question.of(withNull(QUESTION.messages().getFirst())));
    assertElementNamed("tools[1]", () -> QUESTION.tools(withNull(new Tool("name", "", "{}"))));
  }

  private static <T> List<T> withNull(T element) {
    return Arrays.asList(element, null);
  }

  private static void assertElementNamed(
      String name, org.junit.jupiter.api.function.Executable call) {
    assertEquals(name, assertThrows(NullPointerException.class, call).getMessage());
  }

  /** All that is public and declared there, one null at a time. */
  private void check(Class<?> type, Object target) throws ReflectiveOperationException {
    for (Constructor<?> constructor : type.getConstructors()) {
      check(constructor, null);
    }
    for (Method method : type.getDeclaredMethods()) {
      if (Modifier.isPublic(method.getModifiers()) && !method.isSynthetic()) {
        check(method, target);
      }
    }
    if (type == AnswerStream.class) { // declared above it
      check(Flow.Publisher.class, target);
    }
  }

  private void check(Executable call, @Nullable Object target) throws ReflectiveOperationException {
    Parameter[] parameters = call.getParameters();
    for (int i = 0; i < parameters.length; i++) {
      Parameter parameter = parameters[i];
      if (parameter.getType().isPrimitive()
          || parameter.getAnnotatedType().isAnnotationPresent(Nullable.class)
          || LENIENT.contains(parameter.getType())) {
        continue;
      }
      @Nullable Object[] arguments =
          Arrays.stream(parameters).map(p -> something(p.getType())).toArray();
      arguments[i] = null;
      String what = call + ", " + parameter.getName();
      Throwable thrown =
          assertThrows(InvocationTargetException.class, () -> call(call, target, arguments), what)
              .getCause();
      if (!(thrown instanceof QuestionException)) { // a sentence of its own
        assertEquals(NullPointerException.class, thrown.getClass(), what);
        String name = parameter.isNamePresent() ? parameter.getName() : "subscriber"; // of the JDK
        assertEquals(name, thrown.getMessage(), what);
      }
      checked.add(what);
    }
  }

  private static void call(Executable call, @Nullable Object target, @Nullable Object... arguments)
      throws ReflectiveOperationException {
    if (call instanceof Constructor<?> constructor) {
      constructor.newInstance(arguments);
    } else {
      ((Method) call).invoke(target, arguments);
    }
  }

  private static Object something(Class<?> type) {
    Map<Class<?>, Object> some =
        Map.ofEntries(
            Map.entry(String.class, "name"),
            Map.entry(Path.class, Path.of("nowhere")),
            Map.entry(List.class, List.of()),
            Map.entry(int[].class, new int[] {1}),
            Map.entry(Question.class, QUESTION),
            Map.entry(Mode.class, Mode.DIRECT),
            Map.entry(Role.class, Role.USER),
            Map.entry(EngineOptions.class, EngineOptions.defaults()),
            Map.entry(GenerationOptions.class, GenerationOptions.unset()),
            Map.entry(CacheType.class, CacheType.AUTO),
            Map.entry(Quantization.class, Quantization.NONE),
            Map.entry(ToolChoice.class, ToolChoice.AUTO),
            Map.entry(PromptLookup.class, PromptLookup.AUTO),
            Map.entry(LoadListener.class, LoadListener.NONE),
            Map.entry(int.class, 1),
            Map.entry(long.class, 1L),
            Map.entry(boolean.class, false));
    return some.getOrDefault(type, (TokenListener) token -> {});
  }
}
