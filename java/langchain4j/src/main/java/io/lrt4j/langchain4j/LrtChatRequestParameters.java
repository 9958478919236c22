package io.lrt4j.langchain4j;

import dev.langchain4j.model.chat.request.ChatRequestParameters;
import dev.langchain4j.model.chat.request.DefaultChatRequestParameters;
import io.lrt4j.GenerationOptions;
import io.lrt4j.Mode;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** What a request may set beyond LangChain4j's own parameters; null takes the model's default. */
public final class LrtChatRequestParameters extends DefaultChatRequestParameters {
  private final @Nullable Mode mode;
  private final @Nullable Integer budget;
  private final @Nullable Long seed;

  private LrtChatRequestParameters(Builder builder) {
    super(builder);
    mode = builder.mode;
    budget = builder.budget;
    seed = builder.seed;
  }

  /** Nothing set. */
  public static Builder builder() {
    return new Builder();
  }

  /** How to reason. */
  public @Nullable Mode mode() {
    return mode;
  }

  /** {@link GenerationOptions#budget}: tokens for thinking and answer together. */
  public @Nullable Integer budget() {
    return budget;
  }

  /** {@link GenerationOptions#seed}. */
  public @Nullable Long seed() {
    return seed;
  }

  @Override
  public LrtChatRequestParameters overrideWith(ChatRequestParameters that) {
    return builder().overrideWith(this).overrideWith(that).build();
  }

  @Override
  public LrtChatRequestParameters defaultedBy(ChatRequestParameters that) {
    return builder().overrideWith(that).overrideWith(this).build();
  }

  @Override
  public boolean equals(@Nullable Object other) {
    return other instanceof LrtChatRequestParameters that
        && super.equals(that)
        && mode == that.mode
        && Objects.equals(budget, that.budget)
        && Objects.equals(seed, that.seed);
  }

  @Override
  public int hashCode() {
    return Objects.hash(super.hashCode(), mode, budget, seed);
  }

  @Override
  public String toString() {
    return super.toString() + "{mode=" + mode + ", budget=" + budget + ", seed=" + seed + "}";
  }

  /** Sets parameters. */
  public static final class Builder extends DefaultChatRequestParameters.Builder<Builder> {
    private @Nullable Mode mode;
    private @Nullable Integer budget;
    private @Nullable Long seed;

    private Builder() {}

    @Override
    public Builder overrideWith(ChatRequestParameters parameters) {
      super.overrideWith(parameters);
      if (parameters instanceof LrtChatRequestParameters own) {
        mode = own.mode == null ? mode : own.mode;
        budget = own.budget == null ? budget : own.budget;
        seed = own.seed == null ? seed : own.seed;
      }
      return this;
    }

    public Builder mode(@Nullable Mode mode) {
      this.mode = mode;
      return this;
    }

    public Builder budget(@Nullable Integer budget) {
      this.budget = budget;
      return this;
    }

    public Builder seed(@Nullable Long seed) {
      this.seed = seed;
      return this;
    }

    @Override
    public LrtChatRequestParameters build() {
      return new LrtChatRequestParameters(this);
    }
  }
}
