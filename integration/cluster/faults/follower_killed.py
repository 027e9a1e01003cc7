"""The process that does not lead is killed without a chance to say goodbye."""
from lib.killing import kill


def run(stage):
    pods, leader = stage.two()
    kill(stage, next(pod for name, pod in pods.items() if name != leader))
