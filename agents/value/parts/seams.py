"""The seams of DQN: the places where its variants choose differently. What stands at each has these methods.

head          what the network says about each action. It reads the network's output, (batch, actions × numbers) or
              (batch, actions, numbers), where `numbers` is how many numbers describe an action.
                  values(output)        Q(s, ·), (batch, actions)
                  preferences(output)   what the policy goes by, (batch, actions); most heads go by the values
                  of_action(output, action)   the part of the actions (batch, 1), (batch, numbers)
                  target(reward, discount, next_output, next_action)   what that part should have been
                  loss(prediction, target, reduction)   with "none" (batch, 1), with "mean" their mean
                  mean(prediction)      the mean of Q(s, a) over the batch, ()
                  error(prediction, target)   how far off each was, (batch,), for a prioritised replay
                  average(outputs)      the output that stands between several; an averaged target asks for it
next_action   a function (head, network, target_output, next_observation) that returns a', (batch,): the action whose
              value the target takes. It needs no gradient.
loss          a function (prediction, target, reduction), both (batch, 1): the loss of a sample. The categorical and the
              quantile head have a loss of their own.
network       a Module from observations (batch, ...) to an output that the head reads. A user's own is a Module, or a
              function (observation_space, action_space) that makes one: see networks/own.py.
target        a Module that says what the next action is worth.
                  start(network, make_network)   makes its networks; they begin as copies of `network`
                  forward(observation)   an output that the head reads
                  follow(network, step)   called at every step of the environments: takes over what was learned

The replay's order is a seam of memory/replay.py. Several agents share it.
"""

from __future__ import annotations

from ...core.components import Seam

HEAD = Seam("head", ("values", "preferences", "of_action", "target", "loss", "mean", "error"))
NEXT_ACTION = Seam("next_action", from_agent=False)
LOSS = Seam("loss", from_agent=False)
NETWORK = Seam("network", own="a Module, or a function (observation_space, action_space) that makes one")
TARGET = Seam("target", ("start", "forward", "follow", "modules", "state_dict", "load_state_dict"))
