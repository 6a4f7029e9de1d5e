"""Scripts of our own in the style of PyTorch course notes: they run when only their import lines change.

Each is the shortest program that needs a group of PyTorch's words, and each has an answer that can be checked.
"""

# ruff: noqa: NPY002, B905  (the notes' own way of writing)

import random
from collections import deque

import numpy as np
import pytest

import minigrad as torch  # the one line that changes
import minigrad.nn as nn
import minigrad.nn.functional as F
import minigrad.optim as optim


@pytest.fixture(autouse=True)
def seeds():
    torch.manual_seed(0)
    np.random.seed(0)
    random.seed(0)


class QNet(nn.Module):
    def __init__(self, inputs, hidden, outputs):
        super().__init__()
        self.first = nn.Linear(inputs, hidden)
        self.second = nn.Linear(hidden, outputs)

    def forward(self, x):
        return self.second(F.relu(self.first(x)))


class Corridor:
    """Five cells in a row; the right end pays 1 and ends the episode."""

    def reset(self):
        self.at = 0
        return self.at

    def step(self, action):
        self.at = max(0, self.at + (1 if action == 1 else -1))
        return self.at, float(self.at == 4), self.at == 4


def one_hot(cell):
    vector = np.zeros(5)
    vector[cell] = 1
    return torch.tensor(vector[np.newaxis, :], dtype=torch.float)


def test_neural_q_learning_with_one_hot_states():
    env, gamma = Corridor(), 0.9
    qnet = QNet(5, 32, 2)
    optimizer = optim.SGD(qnet.parameters(), lr=0.1)
    for _ in range(150):
        state, done, total, steps = env.reset(), False, 0, 0
        while not done and steps < 50:
            if np.random.rand() < 0.3:
                action = np.random.choice([0, 1])
            else:
                y = qnet(one_hot(state))
                action = [0, 1][y.data.argmax().numpy()]
            after, reward, done = env.step(action)
            if done:
                next_q = torch.tensor([0])
            else:
                next_q = qnet(one_hot(after)).max(axis=1)[0].detach()
            target = gamma * next_q + reward
            q = qnet(one_hot(state))[:, action]
            loss = F.mse_loss(q, target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.data
            state, steps = after, steps + 1
    assert total.numpy().dtype == np.float32
    values = [qnet(one_hot(cell)).max(1)[0].item() for cell in range(4)]
    np.testing.assert_allclose(values, [0.9**3, 0.9**2, 0.9, 1.0], atol=0.05)


class Replay:
    def __init__(self, size, batch):
        self.deque, self.batch = deque(maxlen=size), batch

    def sample(self):
        drawn = random.sample(self.deque, self.batch)
        state = torch.tensor(np.stack([d[0] for d in drawn]))
        action = torch.tensor(np.array([d[1] for d in drawn]).astype(np.int32))
        reward = torch.tensor(np.array([d[2] for d in drawn]).astype(np.float32))
        after = torch.tensor(np.stack([d[3] for d in drawn]))
        done = torch.tensor(np.array([d[4] for d in drawn]).astype(np.int32))
        return state, action, reward, after, done


def bandit(batch=16):
    """Transitions that pay for guessing the sign of the first number; every episode is one step long."""
    replay = Replay(500, batch)
    for _ in range(500):
        state = np.random.randn(3).astype(np.float32)
        action = np.random.randint(2)
        replay.deque.append((state, action, float((state[0] > 0) == bool(action)), state, True))
    return replay


def test_dqn_with_a_target_network_and_integer_done():
    replay, gamma = bandit(), 0.98
    qnet, target_net = QNet(3, 32, 2), QNet(3, 32, 2)
    target_net.load_state_dict(qnet.state_dict())
    optimizer = optim.Adam(qnet.parameters(), lr=0.01)
    criterion = nn.MSELoss()
    for step in range(300):
        state, action, reward, after, done = replay.sample()
        next_q = target_net(after).max(axis=1)[0].detach()
        target = gamma * (1 - done) * next_q + reward
        assert target.dtype == torch.float32
        assert not target.requires_grad
        q = qnet(state)[np.arange(len(action)), action]
        loss = criterion(q, target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 20 == 0:
            target_net.load_state_dict(qnet.state_dict())
    state, action, reward, _, _ = replay.sample()
    assert abs(qnet(state)[np.arange(16), action] - reward).mean().item() < 0.2
    observation = np.array([3.0, 0.0, 0.0], dtype=np.float32)
    assert qnet(torch.tensor(observation[np.newaxis, :])).argmax().item() == 1
    assert target_net.first.weight is not qnet.first.weight


def test_dqn_with_gather_columns_and_clipping():
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    policy_net, target_net = QNet(3, 16, 2).to(device), QNet(3, 16, 2).to(device)
    target_net.load_state_dict(policy_net.state_dict())
    optimizer = optim.Adam(policy_net.parameters(), lr=1e-3)
    states = torch.tensor(np.random.randn(8, 3), dtype=torch.float).to(device)
    actions = torch.tensor([0, 1, 1, 0, 1, 0, 0, 1]).view(-1, 1).to(device)
    rewards = torch.tensor([1.0] * 8, dtype=torch.float).view(-1, 1).to(device)
    dones = torch.tensor([0, 1] * 4, dtype=torch.float).view(-1, 1).to(device)
    q_values = policy_net(states).gather(1, actions)
    max_next = target_net(states).max(1)[0].view(-1, 1)
    q_targets = rewards + 0.98 * max_next * (1 - dones)
    dqn_loss = torch.mean(F.mse_loss(q_values, q_targets.detach()))
    optimizer.zero_grad()
    dqn_loss.backward()
    before = [p.grad.norm().item() for p in policy_net.parameters()]
    total = torch.nn.utils.clip_grad_norm_(policy_net.parameters(), 1e-3)
    optimizer.step()
    assert total.item() == pytest.approx(np.linalg.norm(before), rel=1e-5)
    assert q_values.squeeze(1).shape == (8,)
    with torch.no_grad():
        td_target = rewards.squeeze() + 0.98 * target_net(states).max(1)[0].detach() * (1 - dones.squeeze())
    F.smooth_l1_loss(policy_net(states).gather(1, actions), td_target.unsqueeze(1)).backward()


class Policy(nn.Module):
    def __init__(self):
        super().__init__()
        self.l1 = nn.Linear(2, 16)
        self.l2 = nn.Linear(16, 2)

    def forward(self, x):
        return F.softmax(self.l2(F.relu(self.l1(x))))  # without dim: rows of a batch


def test_reinforce_with_a_loss_accumulated_by_plus_equals():
    policy = Policy()
    optimizer = optim.Adam(policy.parameters(), lr=0.02)
    state = np.array([1.0, -1.0], dtype=np.float32)
    for _ in range(60):
        records = []
        for _ in range(5):
            probs = policy(torch.tensor(state[np.newaxis, :]))[0]
            action = np.random.choice(len(probs), p=probs.data.numpy())
            records.append((1.0 if action == 0 else 0.0, probs[action]))
        G, loss = 0, 0
        for reward, prob in reversed(records):
            G = reward + 0.9 * G
            loss += -torch.log(prob) * G
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert policy(torch.tensor(state).unsqueeze(0))[0, 0].item() > 0.9


def test_the_accumulated_loss_is_the_stacked_sum():
    policy = Policy()
    probs = policy(torch.randn(6, 2))
    returns = torch.tensor([0.5, 1.0, 2.0, -1.0, 0.0, 3.0])
    chosen = [torch.log(probs[i, i % 2]) for i in range(6)]
    total = 0
    for log_prob, G in zip(chosen, returns):
        total += -log_prob * G
    policy_loss = []
    for log_prob, G in zip(chosen, returns):
        policy_loss.append(-log_prob * G)
    stacked = torch.stack(policy_loss).sum()
    assert stacked.item() == pytest.approx(total.item(), rel=1e-5)
    first = torch.autograd.grad(total, list(policy.parameters()), retain_graph=True)
    second = torch.autograd.grad(stacked, list(policy.parameters()))
    for a, b in zip(first, second):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-4, atol=1e-6)


def test_actor_critic_with_two_networks_and_two_losses():
    actor, critic = Policy(), QNet(2, 16, 1)
    optimizer_pi, optimizer_v = (optim.Adam(m.parameters(), lr=0.01) for m in (actor, critic))
    loss_func = nn.MSELoss()
    for _ in range(100):
        state = np.random.randn(2).astype(np.float32)
        done = True
        state = torch.tensor(state[np.newaxis, :])
        probs = actor(state)[0]
        action = np.random.choice(len(probs), p=probs.data.numpy())
        target = 1.0 + (1 - done) * 0.98 * critic(state)
        v = critic(state)
        loss_v = loss_func(target, v)
        loss_pi = -(target - v) * torch.log(probs[action])
        optimizer_pi.zero_grad()
        optimizer_v.zero_grad()
        loss_pi.backward(retain_graph=True)
        loss_v.backward(retain_graph=True)
        optimizer_pi.step()
        optimizer_v.step()
    assert all(p.grad is not None for p in (*actor.parameters(), *critic.parameters()))


def test_actor_critic_with_a_shared_trunk():
    class ActorCritic(nn.Module):
        def __init__(self):
            super().__init__()
            self.shared_layers = nn.Sequential(nn.Linear(4, 16), nn.ReLU())
            self.actor_head = nn.Linear(16, 2)
            self.critic_head = nn.Linear(16, 1)

        def forward(self, state):
            features = self.shared_layers(state)
            return self.actor_head(features), self.critic_head(features)

    model = ActorCritic()
    optimizer = optim.Adam(model.parameters(), lr=1e-2)
    s, a = torch.randn(32, 4), torch.randint(0, 2, (32,))
    history = []
    for _ in range(60):
        logits, value = model(s)
        td_target = 1.0 + 0.0 * model(s)[1]
        advantage = td_target - value
        value_loss = F.mse_loss(value, td_target.detach())
        log_prob = F.log_softmax(logits, dim=-1).gather(1, a.unsqueeze(1)).squeeze(1)
        policy_loss = -(log_prob * advantage.detach().squeeze(-1)).mean()
        loss = policy_loss + 0.5 * value_loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        history.append(value_loss.item())
    assert history[-1] < 0.1 * history[0]


def test_sixteen_accumulated_backward_passes_then_one_step():
    net = QNet(3, 8, 1)
    same = QNet(3, 8, 1)
    same.load_state_dict(net.state_dict())
    x, y = torch.randn(64, 3), torch.randn(64, 1)
    optimizers = [optim.SGD(m.parameters(), lr=0.1) for m in (net, same)]
    for i in range(0, 64, 4):
        (F.mse_loss(net(x[i : i + 4]), y[i : i + 4]) / 16).backward()
    F.mse_loss(same(x), y).backward()
    for optimizer in optimizers:
        optimizer.step()
    for p, q in zip(net.parameters(), same.parameters()):
        np.testing.assert_allclose(p.detach().numpy(), q.detach().numpy(), rtol=1e-4, atol=1e-6)


def test_switches_that_scripts_set_without_using_them():
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False
    assert torch.cuda.is_available() in (True, False)
    assert isinstance(torch.cuda.device_count(), int)


def test_a_network_is_evaluated_and_saved_under_no_grad(tmp_path):
    net, other = QNet(3, 8, 2), QNet(3, 8, 2)
    net.eval()
    with torch.no_grad():
        out = net(torch.zeros(1, 3))
    assert not out.requires_grad
    path = tmp_path / "net.safetensors"
    torch.save(net.state_dict(), path)
    other.load_state_dict(torch.load(path))
    assert other(torch.zeros(1, 3)).tolist() == out.tolist()
