"""Trains LeNet-5 on MNIST and exports it in every form that thimble reads. Two minutes on a laptop's CPU.

pip install torch torchvision onnx onnxscript
python train.py            # data goes to ./data, models to this folder
"""

import torch
from torch import nn
from torchvision import datasets, transforms

torch.manual_seed(1)

model = nn.Sequential(
    nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2),
    nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
    nn.Flatten(),
    nn.Linear(400, 120), nn.ReLU(),
    nn.Linear(120, 84), nn.ReLU(),
    nn.Linear(84, 10),
)  # fmt: skip

# Pixels are divided by 255 and padded from 28x28 to 32x32. The compiler is told the same: --pad 2.
pixels = transforms.Compose([transforms.ToTensor(), transforms.Pad(2)])
train = datasets.MNIST("data", train=True, download=True, transform=pixels)
test = datasets.MNIST("data", train=False, download=True, transform=pixels)


def tensors(dataset):
    images, labels = zip(*dataset, strict=True)
    return torch.stack(images), torch.tensor(labels)


images, labels = tensors(train)
test_images, test_labels = tensors(test)
epochs, batch = 6, 100
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
schedule = torch.optim.lr_scheduler.OneCycleLR(
    optimizer, max_lr=4e-3, total_steps=epochs * len(images) // batch
)
for epoch in range(epochs):
    for chosen in torch.randperm(len(images)).split(batch):
        loss = nn.functional.cross_entropy(model(images[chosen]), labels[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    with torch.no_grad():
        right = (model(test_images).argmax(1) == test_labels).float().mean()
    print(f"epoch {epoch + 1}: loss {loss:.3f}, {100 * right:.2f} % of the test images right")

model.eval()
example = images[:1].clone()  # a slice would be saved with all 60,000 images behind it
torch.export.save(torch.export.export(model, (example,)), "lenet5.pt2")
torch.onnx.export(model, example, "lenet5.onnx", dynamo=True)
