package io.lrt4j.evaluation.data;

import io.lrt4j.evaluation.grade.Grader;
import java.io.Serializable;

/**
 * One question of a data set.
 *
 * @param id its name, of its own in the data set
 * @param prompt what the model is asked, with how the answer is to be given
 * @param truth the right answer
 * @param grader how answers are compared with it
 * @param group what it is counted with: its level, subject or number of steps; "" for none
 */
public record Task(String id, String prompt, String truth, Grader grader, String group)
    implements Serializable {}
