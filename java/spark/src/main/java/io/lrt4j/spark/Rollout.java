package io.lrt4j.spark;

import java.io.Serializable;
import java.util.List;

/**
 * One sampled answer, as reinforcement learning wants it.
 *
 * @param id of the question
 * @param text the answer
 * @param ids its tokens, thinking first
 * @param logprobs natural log-probability of each, under the model that sampled it
 * @param reward 1 if it is right, else 0
 */
public record Rollout(
    String id, String text, List<Integer> ids, List<Float> logprobs, double reward)
    implements Serializable {
  public Rollout {
    ids = List.copyOf(ids);
    logprobs = List.copyOf(logprobs);
  }
}
