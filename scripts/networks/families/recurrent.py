"""LSTM, GRU, RNN: one and two directions, several layers, states inside and outside."""

import torch
import torch.nn.functional as F
from registry import image, network, normal, tokens, wave
from torch import nn

from .blocks import conv_bn, conv_bn1


class Last(nn.Module):
    """The last step of a recurrent layer, and a linear one."""

    def __init__(self, cell, width, classes):
        super().__init__()
        self.cell, self.fc = cell, nn.Linear(width, classes)

    def forward(self, x):
        return self.fc(self.cell(x)[0][:, -1, :])


@network("gru-keywords", "gru", normal(40, 10))
def gru():
    return Last(nn.GRU(10, 24, batch_first=True), 24, 6)


@network("gru-two-layers", "gru", normal(30, 8), dynamic=True)
def gru_two():
    return Last(nn.GRU(8, 16, num_layers=2, batch_first=True), 16, 6)


@network("gru-bidirectional-mean", "gru", normal(24, 8))
class GruMean(nn.Module):
    def __init__(self):
        super().__init__()
        self.gru, self.fc = nn.GRU(8, 12, batch_first=True, bidirectional=True), nn.Linear(24, 6)

    def forward(self, x):
        return self.fc(self.gru(x)[0].mean(dim=1))


@network("gru-last-state", "gru", normal(30, 8))
class GruState(nn.Module):
    """Reads the last state instead of the sequence."""

    def __init__(self):
        super().__init__()
        self.gru, self.fc = nn.GRU(8, 16, batch_first=True), nn.Linear(16, 4)

    def forward(self, x):
        _, h = self.gru(x)
        return self.fc(h[-1])


@network("lstm-last-step", "lstm", wave(40, 6, axis=-2))
def lstm():
    return Last(nn.LSTM(6, 20, batch_first=True), 20, 5)


@network("lstm-zeros-given", "lstm", wave(30, 6, axis=-2), dynamic=True)
class LstmZeros(nn.Module):
    """States of zeros, made from the size of the batch."""

    def __init__(self):
        super().__init__()
        self.lstm, self.fc = nn.LSTM(6, 16, 2, batch_first=True), nn.Linear(16, 5)

    def forward(self, x):
        h, c = torch.zeros(2, x.size(0), 16), torch.zeros(2, x.size(0), 16)
        y, _ = self.lstm(x, (h, c))
        return self.fc(y[:, -1, :])


@network("lstm-bidirectional", "lstm", wave(24, 6, axis=-2))
class LstmBoth(nn.Module):
    """The last states of both directions, joined."""

    def __init__(self):
        super().__init__()
        self.lstm, self.fc = nn.LSTM(6, 12, bidirectional=True, batch_first=True), nn.Linear(24, 5)

    def forward(self, x):
        _, (h, _) = self.lstm(x)
        return self.fc(torch.cat((h[-2], h[-1]), dim=1))


@network("lstm-bidirectional-two-layers", "lstm", wave(20, 6, axis=-2))
class LstmTagger(nn.Module):
    """A label for each step."""

    def __init__(self):
        super().__init__()
        self.lstm, self.fc = nn.LSTM(6, 10, 2, bidirectional=True, batch_first=True), nn.Linear(20, 4)

    def forward(self, x):
        return F.log_softmax(self.fc(self.lstm(x)[0]), dim=-1)


@network("lstm-time-first", "lstm", {"name": "input", "shape": [30, 1, 6], "dtype": "float32", "data": {"kind": "wave", "axis": -3}}, batched=False)
class LstmTimeFirst(nn.Module):
    """[time, batch, feature], torch's own order."""

    def __init__(self):
        super().__init__()
        self.lstm, self.fc = nn.LSTM(6, 16), nn.Linear(16, 3)

    def forward(self, x):
        return self.fc(self.lstm(x)[0][-1])


@network("lstm-attention-pool", "lstm", wave(24, 6, axis=-2))
class LstmAttention(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm, self.score, self.fc = nn.LSTM(6, 16, batch_first=True), nn.Linear(16, 1), nn.Linear(16, 4)

    def forward(self, x):
        y, _ = self.lstm(x)
        weights = torch.softmax(self.score(torch.tanh(y)), dim=1)
        return self.fc(torch.sum(weights * y, dim=1))


@network("lstm-autoencoder", "lstm", wave(16, 4, axis=-2))
class LstmAutoencoder(nn.Module):
    """The last step repeated, and decoded."""

    def __init__(self):
        super().__init__()
        self.down, self.up, self.fc = nn.LSTM(4, 8, batch_first=True), nn.LSTM(8, 8, batch_first=True), nn.Linear(8, 4)

    def forward(self, x):
        _, (h, _) = self.down(x)
        return self.fc(self.up(h[-1].unsqueeze(1).repeat(1, 16, 1))[0])


@network("rnn-tanh", "rnn", wave(30, 4, axis=-2))
def rnn():
    return Last(nn.RNN(4, 16, batch_first=True), 16, 3)


@network("rnn-relu-two-layers", "rnn", wave(20, 4, axis=-2))
def rnn_relu():
    return Last(nn.RNN(4, 12, 2, nonlinearity="relu", batch_first=True), 12, 3)


@network("gru-cell-unrolled", "gru", wave(6, 4, axis=-2), exporter="new", opset=18)
class Unrolled(nn.Module):
    """A cell called in a loop of Python: all steps are nodes of the file."""

    def __init__(self):
        super().__init__()
        self.cell, self.fc = nn.GRUCell(4, 12), nn.Linear(12, 3)

    def forward(self, x):
        h = torch.zeros(x.shape[0], 12)
        for i in range(6):
            h = self.cell(x[:, i], h)
        return self.fc(h)


@network("lstm-cell-step", "lstm", normal(8), normal(12, name="h", std=0.5), normal(12, name="c", std=0.5), outputs=["output", "next_h", "next_c"])
class Step(nn.Module):
    """One step; the caller keeps the states."""

    def __init__(self):
        super().__init__()
        self.cell, self.fc = nn.LSTMCell(8, 12), nn.Linear(12, 3)

    def forward(self, x, h, c):
        h, c = self.cell(x, (h, c))
        return self.fc(h), h, c


def state(layers, width, name):
    return {"name": name, "shape": [layers, 1, width], "dtype": "float32", "data": {"kind": "normal", "std": 0.4}}


@network("vad-gru-states", "voice-activity", normal(1, 20, name="frame"), state(1, 16, "state"), outputs=["speech", "next"], batched=False)
class VadGru(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.gru, self.last = nn.Linear(20, 16), nn.GRU(16, 16, batch_first=True), nn.Linear(16, 1)

    def forward(self, x, state):
        y, state = self.gru(torch.relu(self.first(x)), state)
        return torch.sigmoid(self.last(y)), state


@network("vad-lstm-states", "voice-activity", wave(1, 256, name="sound"), state(1, 16, "h"), state(1, 16, "c"), outputs=["speech", "next_h", "next_c"], batched=False)
class VadLstm(nn.Module):
    """Convolutions over a window of sound, then an LSTM whose states the caller keeps."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(conv_bn1(1, 8, 16, 8), conv_bn1(8, 12, 3, 2), conv_bn1(12, 16, 3, 2))
        self.lstm, self.last = nn.LSTM(16, 16, batch_first=True), nn.Conv1d(16, 1, 1)

    def forward(self, x, h, c):
        y, (h, c) = self.lstm(self.body(x).permute(0, 2, 1), (h, c))
        return torch.sigmoid(self.last(F.relu(y.permute(0, 2, 1)))).mean(dim=2), h, c


@network("rnnoise", "denoising", normal(8, 22))
class RnNoise(nn.Module):
    """Three GRUs that read each other's sequences, and two outputs joined."""

    def __init__(self):
        super().__init__()
        self.dense, self.vad_gru = nn.Linear(22, 12), nn.GRU(12, 12, batch_first=True)
        self.noise_gru, self.gru = nn.GRU(46, 16, batch_first=True), nn.GRU(50, 20, batch_first=True)
        self.vad, self.gains = nn.Linear(12, 1), nn.Linear(20, 22)

    def forward(self, x):
        a = torch.tanh(self.dense(x))
        b, _ = self.vad_gru(a)
        c, _ = self.noise_gru(torch.cat([a, b, x], dim=-1))
        d, _ = self.gru(torch.cat([b, c, x], dim=-1))
        return torch.cat([torch.sigmoid(self.gains(d)), torch.sigmoid(self.vad(b))], dim=-1)


@network("crnn-ocr", "crnn", image(1, 16, 48))
class CrnnOcr(nn.Module):
    """Columns of the feature map are steps of a bidirectional LSTM; a label for each column, time first."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(conv_bn(1, 8), nn.MaxPool2d(2), conv_bn(8, 12), nn.MaxPool2d((2, 1)), conv_bn(12, 16, (4, 3), padding=(0, 1)))
        self.lstm, self.fc = nn.LSTM(16, 12, bidirectional=True), nn.Linear(24, 11)

    def forward(self, x):
        x = self.body(x).squeeze(2).permute(2, 0, 1)
        return self.fc(self.lstm(x)[0])


@network("crnn-sound", "crnn", normal(1, 24, 20))
class CrnnSound(nn.Module):
    """Convolutions over sound, frequency and channels joined to one feature axis, a GRU."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(conv_bn(1, 8, 3, (1, 2)), conv_bn(8, 8, 3, (2, 2)))
        self.gru, self.fc = nn.GRU(40, 16, batch_first=True), nn.Linear(16, 6)

    def forward(self, x):
        x = self.body(x)
        b, c, t, f = x.shape
        x, _ = self.gru(x.permute(0, 2, 1, 3).reshape(b, t, c * f))
        return self.fc(x[:, -1])


@network("deep-conv-lstm", "crnn", wave(48, 6, axis=-2))
class DeepConvLstm(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, 8, (5, 1)), nn.ReLU(), nn.Conv2d(8, 8, (5, 1), (2, 1)), nn.ReLU())
        self.lstm, self.fc = nn.LSTM(48, 16, batch_first=True), nn.Linear(16, 5)

    def forward(self, x):
        x = self.body(x.unsqueeze(1)).permute(0, 2, 1, 3)
        x = x.reshape(x.shape[0], x.shape[1], -1)
        return self.fc(self.lstm(x)[0][:, -1])


@network("gated-running-sum", "rnn", wave(8, 6, axis=-2))
class LeakyIntegrator(nn.Module):
    """A sum along time with gates: cumulative sum."""

    def __init__(self):
        super().__init__()
        self.a, self.gate, self.fc = nn.Linear(6, 12), nn.Linear(6, 12), nn.Linear(12, 3)

    def forward(self, x):
        y = torch.cumsum(self.a(x) * torch.sigmoid(self.gate(x)), dim=1)
        return self.fc(torch.tanh(y))


@network("gru-step-by-length", "gru", wave(12, 8, axis=-2), tokens(12, name="length"))
class ByLength(nn.Module):
    """The step that a second input names, of sequences that are filled up."""

    def __init__(self):
        super().__init__()
        self.gru, self.fc = nn.GRU(8, 12, batch_first=True), nn.Linear(12, 5)

    def forward(self, x, length):
        y, _ = self.gru(x)
        return self.fc(y[torch.arange(x.shape[0]), length])
